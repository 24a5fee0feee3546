//! CHECK.

use serde_json::json;

use crate::vrf::node::Node;

ferrule_testkit::test! {
    /// CHECK succeeds without damage, and names each kind of damage.
    fn check_detects_every_damage(host) needs [Vrf, Ipv6] {
        let node = Node::new(host);
        node.container.ip("route add 198.51.100.0/24 via 10.0.1.7");
        let mut result = node.result();
        result["routes"] = json!([{ "dst": "198.51.100.0/24", "gw": "10.0.1.7" }]);
        let call = node.call(&json!({ "prevResult": result }));
        call.check().fails().mentions("\"red\" not found");
        call.add().succeeds();
        for (damage, back, expected) in [
            ("route delete 198.51.100.0/24 table 1", "route add 198.51.100.0/24 via 10.0.1.7 dev net1 table 1",
             "198.51.100.0/24 on \"net1\" is missing in table 1"),
            ("-6 route delete fd00:1::/64 table 1", "-6 route add fd00:1::/64 dev net1 table 1", "fd00:1::/64"),
            ("-6 address delete fd00:1::5/64 dev net1", "-6 address add fd00:1::5/64 dev net1 nodad", "lacks the address fd00:1::5/64"),
            ("link set red down", "link set red up", "\"red\""),
            ("link set net1 nomaster", "link set net1 master red", "not in the VRF"),
        ] {
            call.check().succeeds().stdout_is("");
            node.container.ip(damage);
            call.check().fails_with_code(999).mentions(expected);
            node.container.ip(back);
        }
        node.call(&json!({ "table": 9 })).check().fails().mentions("different routing table");
        node.container.ip("link set net1 down");
        call.check().fails().mentions("down");
        node.container.ip("link delete net1");
        call.check().fails().mentions("\"net1\" not found");
        node.container.ip("link delete red");
        node.container.ip("link add red type bridge");
        call.check().fails().mentions("not a VRF");
    }
}
