//! Compared with the Go plugin.

use ferrule_tests::{Network, Wire, single_link};
use serde_json::json;

ferrule_testkit::test! {
    /// Results and links are those of the Go plugin, in every version.
    fn results_are_those_of_the_go_plugin(host, version in VERSIONS) needs [Macvlan, PeerPlugins] {
        Wire::new(host);
        let macvlan = Network::on_wire("macvlan");
        let routes = json!([{ "dst": "10.77.0.0/16", "gw": "10.1.2.9" }, { "dst": "0.0.0.0/0" }]);
        let single = json!({ "type": "host-local", "subnet": "10.1.2.0/24", "routes": routes });
        for network in [
            macvlan.clone(),
            macvlan.clone().with(json!({ "mode": "private", "mtu": 1400, "ipam": single })),
            macvlan.clone().with(json!({ "mode": "passthru", "dns": {
                "nameservers": ["192.0.2.7"], "domain": "d", "search": ["s"], "options": ["o"] } })),
            macvlan.clone().with_addresses(&["10.1.2.9/24", "fd00:1:2::9/64"]),
            macvlan.clone().with_addresses(&["10.1.2.9/32"]),
            macvlan.without_ipam(),
        ] {
            single_link::results_and_links_are_the_peers(host, &network, version);
        }
    }
}

ferrule_testkit::test! {
    /// Each suite checks and removes what the other has added.
    fn suites_share_attachments(host) needs [Macvlan, PeerPlugins] {
        Wire::new(host);
        single_link::suites_share_attachments(host, &Network::on_wire("macvlan"));
    }
}

ferrule_testkit::test! {
    /// ADD, CHECK if the version has it, DEL and VERSION work in every version.
    fn every_version_works(host, version in VERSIONS) needs [Macvlan] {
        Wire::new(host);
        let attachment = Network::on_wire("macvlan").version(version).attach(host, "c1");
        assert_eq!(attachment.result["cniVersion"], version);
        let mtu = &attachment.result["interfaces"][0]["mtu"];
        assert_eq!(mtu.is_number(), version == "1.1.0");
        if ["0.4.0", "1.0.0", "1.1.0"].contains(&version) {
            attachment.check().succeeds();
        } else {
            attachment.check().fails_with_code(1).mentions("config version does not allow CHECK");
        }
        let status = Network::on_wire("macvlan").version(version).call(host, "c1").status();
        if version == "1.1.0" { status.succeeds() } else { status.fails_with_code(1) };
        attachment.detach();
        let answer = host.plugin("macvlan").verb("VERSION").config(json!({})).run().succeeds().json();
        assert!(answer["supportedVersions"].as_array().unwrap().contains(&json!(version)));
    }
}
