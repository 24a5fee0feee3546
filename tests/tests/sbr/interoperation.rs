//! The Go plugin and ours on one node.

use serde_json::json;

use crate::sbr::node::Node;

ferrule_testkit::test! {
    /// Both leave the same rules and routes.
    fn both_leave_the_same_rules_and_routes(host) needs [Ipv6, PeerPlugins] {
        let node = Node::new(host);
        node.container.ip("route add 198.51.100.0/24 via 10.0.1.7");
        node.peer_call(&json!({})).add().succeeds();
        let everything = |what: &str| {
            let both = format!("{}{}", node.container.ip(what), node.container.ip(format!("-6 {what}")));
            // The kernel adds the local routes of IPv6 in the background.
            let lasting = both.lines().filter(|line| !line.contains("table local"));
            let mut lines: Vec<String> = lasting.map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let theirs = (everything("route show table all"), everything("rule show"));
        node.peer_call(&json!({})).del().succeeds();
        for words in ["link set net1 down", "link set net1 up", "address replace fd00:1::5/64 dev net1 nodad",
                      "route add 198.51.100.0/24 via 10.0.1.7"] {
            node.container.ip(words);
        }
        node.call(&json!({})).add().succeeds();
        assert_eq!((everything("route show table all"), everything("rule show")), theirs);
    }
}

ferrule_testkit::test! {
    /// Each checks and deletes what the other has added. Debian's plugin does not know the key
    /// `table`.
    fn what_one_adds_the_other_removes(host, case in ["ours", "theirs", "ours table"])
        needs [Ipv6, PeerPlugins] {
        let node = Node::new(host);
        let keys = if case.ends_with("table") { json!({ "table": 5000 }) } else { json!({}) };
        let (ours, theirs) = (node.call(&keys), node.peer_call(&keys));
        let (adder, other) = if case.starts_with("ours") { (&ours, &theirs) } else { (&theirs, &ours) };
        adder.add().succeeds();
        assert_eq!(node.rules().len(), 2);
        other.check().succeeds();
        adder.check().succeeds();
        other.del().succeeds();
        assert_eq!(node.rules(), Vec::<String>::new());
        adder.del().succeeds();
    }
}

ferrule_testkit::test! {
    /// Each avoids tables that the rules of the other look up.
    fn tables_of_the_other_are_not_taken(host, first in ["ours", "theirs"]) needs [Ipv6, PeerPlugins] {
        let node = Node::new(host);
        let on_eth0 = |call: ferrule_testkit::Call| call.ifname("eth0");
        let calls = [node.call(&json!({})), on_eth0(node.peer_call(&json!({})))];
        let order = if first == "ours" { [0, 1] } else { [1, 0] };
        for position in order {
            calls[position].add().succeeds();
        }
        let mut tables: Vec<String> =
            node.rules().iter().map(|rule| rule.split("lookup ").nth(1).unwrap().to_owned()).collect();
        tables.sort();
        tables.dedup();
        assert_eq!(tables.len(), node.rules().len());
        assert!(tables.len() >= 3, "{tables:?}");
    }
}
