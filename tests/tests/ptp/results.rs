//! Results and links compared with those of the Go plugin for the same request.

use ferrule_testkit::Host;
use ferrule_tests::{Network, assert_alike, side_by_side};
use serde_json::json;

/// DNS settings in the form of an address plugin's result.
fn resolver(host: &Host) -> String {
    let path = host.work_folder().join("resolv.conf");
    std::fs::write(
        &path,
        "nameserver 192.0.2.1\nsearch example.org\noptions ndots:2\n",
    )
    .unwrap();
    path.display().to_string()
}

fn networks(host: &Host) -> Vec<Network> {
    let ptp = Network::ptp();
    let ranges = json!([[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "fd00:1:2::/64" }]]);
    let routes = json!([
        { "dst": "0.0.0.0/0" }, { "dst": "192.168.0.0/16" }, { "dst": "1.1.1.1/32", "gw": "10.1.2.1" },
        { "dst": "fd00:77::/32" },
    ]);
    let ipam = json!({ "type": "host-local", "ranges": ranges, "routes": routes,
                       "resolvConf": resolver(host) });
    let own =
        json!({ "nameservers": ["192.0.2.7"], "domain": "d", "search": ["s"], "options": ["o"] });
    let ipv4 = json!({ "type": "host-local", "subnet": "10.1.2.0/24" });
    let ipv6 =
        json!({ "type": "host-local", "subnet": "fd00:1:2::/64", "routes": [{ "dst": "::/0" }] });
    // A router in the container's network that is not its gateway.
    let routes = json!([{ "dst": "10.77.0.0/16", "gw": "10.1.2.9" }]);
    let inner = json!({ "type": "host-local", "subnet": "10.1.2.0/24", "routes": routes });
    vec![
        ptp.clone(),
        ptp.clone().with(json!({ "ipam": ipam })),
        ptp.clone().with(json!({ "ipam": ipam, "dns": own })),
        ptp.clone()
            .with(json!({ "ipam": ipam, "dns": { "domain": "d" } })),
        ptp.clone()
            .with(json!({ "ipam": ipam, "dns": { "nameservers": [], "search": [] } })),
        ptp.clone().with(json!({ "ipam": ipv4, "mtu": 5000 })),
        ptp.clone().with(json!({ "ipam": ipv6 })),
        ptp.with(json!({ "ipam": inner })),
    ]
}

ferrule_testkit::test! {
    /// The same bytes, links, addresses and routes, in every version.
    fn results_are_those_of_the_go_plugin(host, version in VERSIONS) needs [PeerPlugins] {
        for network in networks(host) {
            let network = network.version(version);
            let (ours, theirs) = side_by_side(host, &network);
            assert_alike(&network, &ours, &theirs);
        }
    }
}
