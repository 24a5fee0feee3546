//! Rules and routes after ADD, and the interface by which packets leave.

use serde_json::json;

use crate::sbr::node::Node;

ferrule_testkit::test! {
    /// Packets leave by the interface of their source address; nothing else changes.
    fn packets_leave_by_the_interface_of_their_source(host) needs [Ipv6] {
        let node = Node::new(host);
        assert!(!node.is_separated());
        let before = node.container.network_snapshot();
        let result = node.call(&json!({})).add().succeeds().json();
        assert_eq!(result, node.result());
        assert!(node.is_separated());
        node.assert_eth0_untouched();

        assert_eq!(node.rules(), ["from 10.0.1.5 lookup 100", "from fd00:1::5 lookup 101"]);
        assert_eq!(node.routes(254), Vec::<String>::new());
        assert_eq!(node.routes(100), [
            "default via 10.0.1.1",
            "10.0.1.0/24 proto kernel scope link src 10.0.1.5",
            "fd00:1::/64 proto kernel metric 256 pref medium",
        ]);
        assert_eq!(node.routes(101), [
            "fd00:1::/64 proto kernel metric 256 pref medium",
            "default via fd00:1::1 metric 1024 pref medium",
        ]);
        // A packet with a link-local source does not show its interface; this is as in the Go
        // plugin.
        assert!(node.container.ip("-6 route show table 100").contains("fe80::/64 dev net1"));

        let changed = before.difference(&node.container.network_snapshot());
        assert!(!changed.contains("eth0"), "{changed}");
        node.call(&json!({})).del().succeeds();
        assert_eq!(node.rules(), Vec::<String>::new());
    }
}

ferrule_testkit::test! {
    /// Routes move with all attributes that an administrator or an earlier plugin has set.
    fn routes_are_moved_whole(host) needs [Ipv6] {
        let node = Node::new(host);
        for words in [
            "route add 198.51.100.0/24 via 203.0.113.1 dev net1 onlink proto static metric 7 mtu 1400",
            "route add 203.0.113.7 dev net1 src 10.0.1.5",
            "route add 198.51.101.0/24 via 203.0.113.7 dev net1",
            "route add 198.51.102.0/24 nexthop via 10.0.1.1 dev net1 nexthop via 10.0.0.1 dev eth0",
            "-6 route add 2001:db8:5::/48 via fe80::1 dev net1 metric 70",
            "route add default via 10.0.1.1 metric 50",
        ] {
            node.container.ip(words);
        }
        node.call(&json!({})).add().succeeds();
        // The route through both links does not belong to the interface.
        let shared = node.container.ip("route show 198.51.102.0/24");
        assert_eq!(shared.matches("nexthop").count(), 2, "{shared}");
        assert_eq!(node.routes(254).iter().filter(|route| !route.contains("198.51.102.0")).count(), 0);
        let table = node.routes(100);
        for expected in [
            "198.51.100.0/24 via 203.0.113.1 proto static metric 7 onlink mtu 1400",
            "203.0.113.7 scope link src 10.0.1.5",
            "198.51.101.0/24 via 203.0.113.7",
            "default via 10.0.1.1 metric 50",
        ] {
            assert!(table.iter().any(|route| route == expected), "{expected} in {table:?}");
        }
        assert_eq!(table.iter().filter(|route| route.starts_with("default")).count(), 1);
        let v6 = node.routes(101);
        assert!(v6.iter().any(|route| route.starts_with("2001:db8:5::/48 via fe80::1 metric 70")), "{v6:?}");
        node.call(&json!({})).check().succeeds();
    }
}

ferrule_testkit::test! {
    /// Configured gateways replace those of the addresses and an existing default route.
    fn configured_gateways_replace_others(host) needs [Ipv6] {
        let node = Node::new(host);
        node.container.ip("route add default via 10.0.1.1 metric 9");
        let gateways = json!({ "gateways": ["10.0.1.77", "fd00:1::77"] });
        node.call(&gateways).add().succeeds();
        assert_eq!(node.routes(100)[0], "default via 10.0.1.77");
        assert_eq!(node.routes(101)[1], "default via fd00:1::77 metric 1024 pref medium");
        node.call(&gateways).check().succeeds();
        node.call(&gateways).del().succeeds();
    }
}

ferrule_testkit::test! {
    /// The main table keeps the routes to the interface's networks, with its address as preferred
    /// source.
    fn source_hints_stay_in_the_main_table(host) needs [Ipv6] {
        let node = Node::new(host);
        node.container.ip("route add default via 10.0.1.1 metric 9");
        let keys = json!({ "addSourceHints": true });
        node.call(&keys).add().succeeds();
        assert_eq!(node.routes(254), [
            "10.0.1.0/24 scope link src 10.0.1.5",
            "fd00:1::/64 src fd00:1::5 metric 256 pref medium",
        ]);
        let link_local = node.container.ip("-6 route show table main dev net1");
        assert!(link_local.contains("fe80::/64"), "{link_local}");
        assert!(node.routes(100).contains(&"default via 10.0.1.1 metric 9".to_owned()));
        assert!(node.is_separated());
        node.assert_eth0_untouched();
        node.call(&keys).check().succeeds();
        node.container.ip("route delete 10.0.1.0/24");
        node.call(&keys).check().fails().mentions("10.0.1.0/24").mentions("table 254");
    }
}

ferrule_testkit::test! {
    /// With a configured table ADD adds only rules.
    fn a_configured_table_gets_no_routes(host) needs [Ipv6] {
        let node = Node::new(host);
        let keys = json!({ "table": 5000, "gateways": ["nonsense"], "addSourceHints": true });
        let before = node.routes(254);
        node.call(&keys).add().succeeds();
        // Existing rules are not added twice.
        node.call(&keys).add().succeeds();
        assert_eq!(node.rules(), ["from 10.0.1.5 lookup 5000", "from fd00:1::5 lookup 5000"]);
        assert_eq!((node.routes(254), node.routes(5000)), (before, vec![]));
        node.call(&keys).check().succeeds();
        node.call(&json!({ "table": 5001 })).check().fails().mentions("table 5001");
        node.call(&json!({ "table": 5001 })).del().succeeds();
        assert_eq!(node.rules().len(), 2);
        node.call(&keys).del().succeeds();
        assert_eq!(node.rules(), Vec::<String>::new());
    }
}

ferrule_testkit::test! {
    /// Each address gets a table that no rule looks up and that has no route.
    fn free_tables_are_chosen(host) needs [Ipv6] {
        let node = Node::new(host);
        node.container.ip("address add 10.0.1.6/24 dev net1");
        node.container.ip("-6 rule add from fd00:9::9 lookup 100");
        node.container.ip("route add 198.51.100.0/24 via 10.0.0.1 table 102");
        node.container.ip("route add 198.51.103.0/24 dev net1 src 10.0.1.6");
        let ips = json!([
            { "address": "10.0.1.5/24", "gateway": "10.0.1.1", "interface": 1 },
            { "address": "10.0.1.6/32", "interface": 17 },
        ]);
        node.call(&json!({ "prevResult": node.result_with(ips) })).add().succeeds();
        assert_eq!(node.rules(), [
            "from 10.0.1.6 lookup 103", "from 10.0.1.5 lookup 101", "from fd00:9::9 lookup 100",
        ]);
        assert_eq!(node.routes(101)[0], "default via 10.0.1.1");
        assert!(node.routes(103).iter().all(|route| !route.contains("default")));
        assert!(node.routes(103).contains(&"198.51.103.0/24 scope link src 10.0.1.6".to_owned()));
    }
}
