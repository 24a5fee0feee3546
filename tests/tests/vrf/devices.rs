//! VRFs and their tables.

use ferrule_testkit::assert_same;
use ferrule_tests::TARGETS;
use serde_json::{Value, json};

use crate::vrf::node::Node;

ferrule_testkit::test! {
    /// Interfaces with the same address in two VRFs, each with a free table.
    fn two_vrfs_keep_the_same_addresses_apart(host) needs [Vrf, Ipv6] {
        let node = Node::new(host);
        node.container.ip("address add 192.0.2.100/32 dev eth0");
        node.container.ip("address add 192.0.2.100/32 dev net1");
        node.container.ip("route add default via 10.0.1.1 metric 50");
        node.container.ip("-6 route add default via fd00:1::1 metric 50");
        node.container.ip("rule add from 192.0.2.200 lookup 1");
        node.container.ip("route add 198.51.100.0/24 via 10.0.0.1 table 2");
        node.container.ip("link add other type vrf table 3");
        let red = node.call(&json!({}));
        let blue = node.call(&json!({ "vrfName": "blue" })).ifname("eth0");
        red.add().succeeds();
        let mut result = node.result();
        result["interfaces"][0]["name"] = "eth0".into();
        result["ips"] = json!([{ "address": "10.0.0.5/24", "interface": 0 }]);
        let keys = json!({ "vrfname": "blue", "prevResult": result });
        node.call(&keys).ifname("eth0").add().succeeds();
        assert_eq!((node.table("red"), node.table("blue")), (4, 5));
        for (vrf, target) in [("red", TARGETS[0]), ("blue", TARGETS[0]), ("red", TARGETS[1]), ("blue", TARGETS[1])] {
            assert!(node.is_answered(vrf, target), "{target} by {vrf}");
        }
        for name in ["eth0", "net1"] {
            assert!(node.container.addresses(name).iter().any(|one| one.starts_with("192.0.2.100")));
        }
        node.call(&keys).ifname("eth0").check().succeeds();
        blue.del().succeeds();
        assert!(!node.container.has_link("blue") && node.container.has_link("red"));
        red.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// Interfaces of one VRF keep their routes, also to the same network; the VRF is removed with the last.
    fn one_vrf_of_two_interfaces(host) needs [Vrf, Ipv6] {
        let node = Node::new(host);
        node.container.ip("address add 10.0.0.77/24 dev net1");
        let red = node.call(&json!({ "table": 1001 }));
        let also = node.call(&json!({ "prevResult": { "cniVersion": "1.0.0", "ips": [] } })).ifname("eth0");
        red.add().succeeds();
        also.add().succeeds();
        assert_eq!(node.table("red"), 1001);
        let shown = node.container.ip("route show table 1001 10.0.0.0/24");
        assert!(shown.contains("dev net1") && shown.contains("dev eth0"), "{shown}");
        assert!(node.is_answered("red", TARGETS[0]) && node.is_answered("red", TARGETS[1]));
        red.del().succeeds();
        assert_eq!((node.master("net1"), node.master("eth0")), (None, Some("red".into())));
        red.del().succeeds();
        assert!(node.container.has_link("red"));
        also.del().succeeds();
        assert!(!node.container.has_link("red"));
        also.del().succeeds();
    }
}

ferrule_testkit::test! {
    /// Invalid requests are refused, and the container is not changed.
    fn invalid_requests_are_refused(host) needs [Vrf, Ipv6] {
        let node = Node::new(host);
        node.container.ip("link add used address 02:00:00:00:00:07 type vrf table 77");
        node.container.ip("link add br0 type bridge");
        let before = node.container.network_snapshot();
        let cases: &[(Value, u64, &str)] = &[
            (json!({ "vrfname": "used", "table": 78 }), 999, "already exist with different routing table"),
            (json!({ "vrfname": "eth0" }), 999, "not a VRF"),
            (json!({ "vrfname": "br0" }), 999, "kind bridge"),
            (json!({ "vrfname": "" }), 7, "vrfname"),
            (json!({ "vrfname": null }), 7, "vrfname"),
            (json!({ "vrfname": "a-name-of-17-byte" }), 7, "vrfname"),
            (json!({ "table": -1 }), 6, "table"),
            (json!({ "table": 4_294_967_296u64 }), 6, "table"),
            (json!({ "prevResult": null }), 7, "must be called as chained plugin"),
            (json!({ "cniVersion": "0.3.0" }), 1, "0.3.0"),
        ];
        for (keys, code, text) in cases {
            let call = node.call(keys);
            call.add().fails_with_code(*code).mentions(text);
            if *code != 1 {
                call.del().succeeds();
            }
        }
        node.call(&json!({})).ifname("none").add().fails().mentions("not found");
        // DEL removed this VRF, as it had no ports.
        node.container.ip("link add used address 02:00:00:00:00:07 type vrf table 77");
        assert_same(&before, &node.container.network_snapshot());
        node.container.ip("link set net1 master br0");
        node.call(&json!({})).add().fails().mentions("has already a master set");
        assert!(!node.container.has_link("red"));
        // An interface with another master keeps it.
        node.container.ip("link add red type vrf table 5");
        node.call(&json!({})).del().succeeds();
        assert_eq!(node.master("net1"), Some("br0".into()));
        assert!(!node.container.has_link("red"));
        // Two VRFs may share a configured table.
        node.call(&json!({ "table": 77 })).ifname("eth0").add().succeeds();
        assert_eq!(node.table("red"), 77);
    }
}
