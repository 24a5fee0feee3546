//! The Go plugin and ours on one node.

use serde_json::json;

use crate::vrf::node::Node;

ferrule_testkit::test! {
    /// Each checks and deletes what the other has added, alone and with an interface of the other
    /// in the VRF.
    fn what_one_adds_the_other_removes(host, adder in ["ours", "theirs"]) needs [Vrf, Ipv6, PeerPlugins] {
        let node = Node::new(host);
        node.container.ip("route add 198.51.100.0/24 via 10.0.1.7 src 10.0.1.5");
        let before = node.routes("main");
        let (ours, theirs) = (node.call(&json!({})), node.peer_call(&json!({})));
        let (one, other) = if adder == "ours" { (ours, theirs) } else { (theirs, ours) };
        one.add().succeeds();
        // Debian's Go plugin restores only the routes that the kernel adds by itself.
        let after = node.routes("1");
        let kept = before.iter().filter(|route| after.contains(route)).count();
        assert_eq!(kept, if adder == "ours" { before.len() } else { 2 }, "{before:?} {after:?}");
        one.check().succeeds();
        other.check().succeeds();
        other.del().succeeds();
        assert!(!node.container.has_link("red"));
        one.del().succeeds();

        let eth0 = node.config(&json!({ "prevResult": { "cniVersion": "1.0.0", "ips": [] } }));
        let eth0 = other.clone().ifname("eth0").config(&eth0);
        one.add().succeeds();
        eth0.add().succeeds();
        assert_eq!((node.master("net1"), node.master("eth0")), (Some("red".into()), Some("red".into())));
        one.del().succeeds();
        assert!(node.container.has_link("red"));
        eth0.del().succeeds();
        assert!(!node.container.has_link("red"));
    }
}
