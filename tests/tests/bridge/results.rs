//! Results and links compared with those of the Go plugin for the same request.

use ferrule_tests::{Network, assert_alike, side_by_side};
use serde_json::json;

fn networks() -> Vec<Network> {
    let bridge = Network::bridge();
    let ranges = json!([[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "fd00:1:2::/64" }]]);
    let routes = json!([{ "dst": "10.77.0.0/16", "gw": "10.1.2.9" }, { "dst": "fd00:77::/32" }]);
    let ipam = json!({ "type": "host-local", "ranges": ranges, "routes": routes });
    let single = json!({ "type": "host-local", "subnet": "10.1.2.0/24" });
    vec![
        bridge.clone(),
        bridge
            .clone()
            .with(json!({ "isGateway": null, "isDefaultGateway": true, "ipam": ipam })),
        bridge
            .clone()
            .with(json!({ "isGateway": false, "ipam": ipam })),
        bridge
            .clone()
            .with(json!({ "ipam": ipam, "dns": { "nameservers": [] } })),
        bridge.clone().with(json!({ "ipam": ipam, "dns": {
            "nameservers": ["192.0.2.7"], "domain": "d", "search": ["s"], "options": ["o"] } })),
        bridge
            .clone()
            .with(json!({ "ipam": single, "mtu": 1400, "hairpinMode": true })),
        bridge
            .clone()
            .with(json!({ "ipam": single, "promiscMode": true })),
        bridge
            .clone()
            .with_addresses(&["10.1.2.9/32"])
            .with(json!({ "isGateway": false })),
        bridge
            .clone()
            .with_addresses(&["10.1.2.9/24", "fd00:1:2::9/64"]),
        bridge.without_ipam(),
    ]
}

ferrule_testkit::test! {
    /// The same bytes, links, addresses and routes, in every version.
    fn results_are_those_of_the_go_plugin(host, version in VERSIONS) needs [PeerPlugins] {
        for network in networks() {
            let network = network.version(version);
            let (ours, theirs) = side_by_side(host, &network);
            assert_alike(&network, &ours, &theirs);
        }
    }
}

ferrule_testkit::test! {
    /// The DNS settings of the address plugin are in the result, unless the configuration has its
    /// own; an empty list counts, too. (Debian's Go bridge is too old for this.)
    fn dns_settings(host, version in VERSIONS) {
        let path = host.work_folder().join("resolv.conf");
        std::fs::write(&path, "nameserver 192.0.2.1\nsearch example.org\noptions ndots:2\n").unwrap();
        let ipam = json!({ "type": "host-local", "subnet": "10.1.2.0/24", "resolvConf": path });
        let answered = json!({
            "nameservers": ["192.0.2.1"], "search": ["example.org"], "options": ["ndots:2"] });
        let empty = if version.starts_with("1.") { json!(null) } else { json!({}) };
        for (number, (dns, expected)) in [
            (json!(null), &answered),
            (json!({}), &answered),
            (json!({ "domain": "d" }), &json!({ "domain": "d" })),
            (json!({ "nameservers": [] }), &empty),
        ].into_iter().enumerate() {
            let network = Network::bridge().with(json!({ "ipam": ipam, "dns": dns }));
            let attachment = network.version(version).attach(host, &format!("c{number}"));
            assert_eq!(&attachment.result["dns"], expected);
        }
    }
}
