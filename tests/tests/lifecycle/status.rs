//! STATUS tells whether an ADD could work now.

use ferrule_tests::Network;
use serde_json::json;

ferrule_testkit::test! {
    /// All is well, also before the first ADD; older versions do not know the verb.
    fn all_is_well(host, plugin in ["bridge", "ptp"]) {
        let before = host.snapshot();
        let call = Network::of(plugin).call(host, "c1");
        call.status().succeeds().stdout_is("");
        ferrule_testkit::assert_same(&before, &host.snapshot());
        let old = Network::of(plugin).version("1.0.0").call(host, "c1");
        old.status().fails_with_code(1).mentions("config version does not allow STATUS");
        if plugin == "bridge" {
            Network::bridge().without_ipam().call(host, "c1").status().succeeds();
        } else {
            Network::ptp().without_ipam().call(host, "c1").status().fails().mentions("ipam.type");
        }
    }
}

ferrule_testkit::test! {
    /// Without its address plugin no ADD can work. A full pool is reported on standard error alone: the
    /// end of a container cures it.
    fn the_address_plugin_is_needed(host, plugin in ["bridge", "ptp"]) {
        let network = Network::of(plugin);
        let missing = network.clone().with(json!({ "ipam": { "type": "missing" } }));
        missing.call(host, "c1").status().fails_with_code(50).mentions("missing");
        let range = json!({ "subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.9" });
        let ipam = json!({ "type": "host-local", "ranges": [[range]] });
        let small = network.with(json!({ "ipam": ipam }));
        small.call(host, "c1").status().succeeds();
        let attachment = small.attach(host, "c1");
        let full = small.call(host, "c2").status().succeeds();
        assert!(full.stderr.contains("no IP addresses available"), "{full}");
        attachment.detach();
        assert_eq!(small.call(host, "c2").status().succeeds().stderr, "");
    }
}

ferrule_testkit::test! {
    /// A name that is taken keeps every ADD from working.
    fn the_bridges_name_is_needed(host) {
        host.ip("link add cni0 type veth peer name other");
        Network::bridge().call(host, "c1").status().fails_with_code(50).mentions("\"cni0\"");
    }
}
