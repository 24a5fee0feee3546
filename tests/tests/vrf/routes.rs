//! Routes after ADD, and the interface by which packets leave.

use ferrule_tests::{Network, TARGETS, with_prev_result};
use serde_json::json;

use crate::vrf::node::Node;

ferrule_testkit::test! {
    /// Packets of the interface use the VRF's table, all others are routed as before. Addresses stay,
    /// the link-local one included, and routes keep all their attributes.
    fn the_vrf_has_the_interfaces_routes(host) needs [Vrf, Ipv6] {
        let node = Node::new(host);
        for words in [
            "route add default via 10.0.1.1 metric 50 src 10.0.1.5",
            "route add 198.51.100.0/24 via 203.0.113.1 dev net1 onlink proto static metric 7 mtu 1400",
            "route add 203.0.113.7 dev net1",
            "route add 198.51.101.0/24 via 203.0.113.7 dev net1",
            "route add 198.51.103.0/24 via 10.0.1.9 table 900",
            "-6 address add fe80::55/64 dev net1 nodad",
            "-6 address add fd00:9::9/128 dev net1 nodad",
            "-6 route add default via fd00:1::1 dev net1 metric 50",
            "-6 route add 2001:db8:5::/48 via fe80::1 dev net1 src fd00:1::5",
        ] {
            node.container.ip(words);
        }
        let (routes, addresses) = (node.routes("main"), node.container.addresses("net1"));
        assert_eq!(routes.len(), 9, "{routes:?}");
        let result = node.call(&json!({})).add().succeeds().json();
        assert_eq!(result, node.result());

        assert_eq!((node.master("net1"), node.master("eth0")), (Some("red".into()), None));
        assert_eq!(node.table("red"), 1);
        let mut found = node.routes("1");
        found.sort();
        let mut expected = routes.clone();
        expected.sort();
        assert_eq!(found, expected);
        assert_eq!(node.routes("main"), Vec::<String>::new());
        assert_eq!(node.routes("900"), ["198.51.103.0/24 via 10.0.1.9"]);
        let mut after = node.container.addresses("net1");
        let mut before = addresses.clone();
        after.sort();
        before.sort();
        assert_eq!(after, before);
        assert!(node.container.ip("-6 route show table 1").contains("fe80::/64 dev net1"));

        for target in TARGETS {
            assert!(node.is_answered("red", target), "{target} by the VRF");
            assert!(node.container.ping(target), "{target} by eth0");
        }
        node.call(&json!({})).check().succeeds();
    }
}

ferrule_testkit::test! {
    /// After `ptp`, whose gateway needs a route of its own, packets of the VRF still reach the gateway,
    /// and CHECK of the plugin before succeeds.
    fn the_vrf_comes_after_ptp_and_bridge(host, case in ["ptp ours", "bridge ours", "ptp theirs"])
        needs [Vrf, Ipv6, PeerPlugins] {
        let (plugin, side) = case.split_once(' ').unwrap();
        let network = Network::of(plugin).version("1.0.0");
        let container = host.netns("c1");
        let attaching = if side == "ours" { network.call(host, "c1") } else { network.peer_call(host, "c1") };
        let result = attaching.add().succeeds().json();
        let routes = |table: &str| {
            let show = |family: u8| format!("ip -{family} route show table {table} dev eth0 type unicast");
            let both = container.exec(show(4)).stdout + &container.exec(show(6)).stdout;
            let mut lines: Vec<String> = both.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let before = routes("main");
        assert!(before.len() > 4, "{before:?}");
        let config = json!({ "cniVersion": "1.0.0", "name": "net", "type": "vrf", "vrfname": "red" });
        let config = with_prev_result(&config, &result);
        let call = host.plugin("vrf").container("c1").netns(&container).ifname("eth0").config(&config);
        call.add().succeeds();
        assert_eq!(routes("1"), before);
        call.check().succeeds();
        let gateway = |number: usize| result["ips"][number]["gateway"].as_str().unwrap().to_owned();
        for number in [0, 1] {
            let gateway = gateway(number);
            let ping = ["ping", "-n", "-q", "-c", "1", "-i", "0.2", "-w", "2", "-I", "red", &gateway];
            container.exec(ping).succeeds();
        }
        let full = with_prev_result(&network.config, &result);
        if side == "ours" {
            attaching.clone().config(&full).check().succeeds();
        }
        call.del().succeeds();
        attaching.config(&full).del().succeeds();
        assert!(!container.has_link("red") && !container.has_link("eth0"));
    }
}
