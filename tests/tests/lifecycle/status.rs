//! STATUS tells whether an ADD could work now.

use ferrule_testkit::Need;
use ferrule_tests::{Network, with_keys};
use serde_json::json;

ferrule_testkit::test! {
    /// STATUS succeeds, also before the first ADD; older versions refuse the verb.
    fn status_succeeds(host, plugin in ["bridge", "ptp"]) {
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
    /// STATUS fails if a link that is not a bridge has the bridge's name.
    fn a_bridge_name_of_another_link_fails(host) {
        host.ip("link add cni0 type veth peer name other");
        Network::bridge().call(host, "c1").status().fails_with_code(50).mentions("\"cni0\"");
    }
}

ferrule_testkit::test! {
    /// STATUS fails exactly where the kernel has no driver for the plugin's kind of link. The
    /// result depends on the running kernel, of which most lack some driver.
    fn the_driver_is_needed(host, plugin in ["dummy", "ipvlan", "macvlan", "vlan", "vrf", "bandwidth"]) {
        host.ip("link add ext0 up type veth peer name ext1");
        let (keys, need, kind) = match plugin {
            "dummy" => (json!({}), Need::Dummy, "dummy"),
            "ipvlan" => (json!({ "master": "ext0" }), Need::Ipvlan, "ipvlan"),
            "macvlan" => (json!({ "master": "ext0" }), Need::Macvlan, "macvlan"),
            "vlan" => (json!({ "master": "ext0", "vlanId": 5 }), Need::Vlan8021q, "vlan"),
            "vrf" => (json!({ "vrfname": "red" }), Need::Vrf, "vrf"),
            _ => (json!({ "egressRate": 8000, "egressBurst": 8000 }), Need::Ifb, "ifb"),
        };
        let config = json!({
            "cniVersion": "1.1.0", "name": "net", "type": plugin,
            "ipam": { "type": "host-local", "subnet": "10.1.2.0/24" },
        });
        let status = host.plugin(plugin).config(with_keys(config, &keys)).status();
        if need.is_met() {
            status.succeeds().stdout_is("");
        } else {
            status.fails_with_code(50).mentions(&format!("no driver for links of kind {kind}"));
        }
    }
}
