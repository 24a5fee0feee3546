//! Side by side with the Go plugin, on one node.

use ferrule_testkit::Call;
use ferrule_tests::with_prev_result;
use serde_json::{Value, json};

use crate::firewall::node::{Node, needs, result};

const ADDRESSES: [&str; 2] = ["10.1.1.2", "fd00:1:1::2"];

/// What lets packets through, as both plugins do it. Our third way is in iptables' own tables, so
/// the Go plugin knows it as its own.
const CASES: &[&str] = &[
    "iptables",
    "legacy iptables",
    "nftables beside iptables",
    "firewalld",
];

/// The same call of our plugin, and of the Go plugin.
fn both(node: &Node, container: &str, keys: &Value) -> (Call, Call) {
    let mut keys = keys.clone();
    keys["cniVersion"] = json!("1.0.0");
    let ours = node.call(1, container, &ADDRESSES, &keys);
    let mut config = node.config(1, &keys);
    if config["backend"] == "nftables" {
        // It has no such back end; an unknown one is its default.
        config["backend"] = json!("iptables");
    }
    let theirs = node.host.peer_plugin("firewall").container(container);
    let theirs = theirs
        .netns(format!("/run/netns/{container}"))
        .ifname("eth0");
    let theirs = theirs.config(with_prev_result(&config, &result(1, &ADDRESSES)));
    (ours, theirs)
}

#[track_caller]
fn assert_no_rules(node: &Node) {
    for address in ADDRESSES {
        assert_eq!(node.rules_about(address), Vec::<String>::new());
    }
}

/// The rules of iptables about the addresses: two per address and family.
fn is_single(node: &Node, case: &str) -> bool {
    case == "firewalld"
        || ADDRESSES.iter().all(|address| {
            let rules = node.rules_about(address);
            let saved = rules
                .iter()
                .filter(|rule| rule.starts_with("-A CNI-FORWARD"));
            saved.count() == 2
        })
}

ferrule_testkit::test! {
    /// What ours adds passes the Go plugin's CHECK, and its DEL takes it away; it does not add it
    /// again.
    fn theirs_understands_ours(host, case in CASES => needs)
    needs [Iptables, Ip6tables, Nftables, PeerPlugins] {
        let node = Node::new(host, case);
        for policy in ["open", "same-bridge"] {
            let (ours, theirs) = both(&node, "c1", &json!({ "ingressPolicy": policy }));
            ours.add().succeeds();
            theirs.check().succeeds();
            theirs.add().succeeds();
            assert!(is_single(&node, case), "{}", node.rules());
            ours.check().succeeds();
            theirs.del().succeeds();
            if case == "nftables beside iptables" {
                // The sets of our own table are none of its business.
                ours.del().succeeds();
            }
            assert_no_rules(&node);
            ours.del().succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// What the Go plugin adds passes our CHECK, and our DEL takes it away; we do not add it again.
    fn ours_understands_theirs(host, case in CASES => needs)
    needs [Iptables, Ip6tables, Nftables, PeerPlugins] {
        let node = Node::new(host, case);
        for policy in ["open", "same-bridge"] {
            let (ours, theirs) = both(&node, "c1", &json!({ "ingressPolicy": policy }));
            theirs.add().succeeds();
            if case != "nftables beside iptables" {
                ours.check().succeeds();
            }
            ours.add().succeeds();
            ours.check().succeeds();
            assert!(is_single(&node, case), "{}", node.rules());
            ours.del().succeeds();
            assert_no_rules(&node);
            theirs.add().succeeds();
            ours.del().succeeds();
            assert_no_rules(&node);
        }
    }
}

ferrule_testkit::test! {
    /// The chains and rules of both are the same, but for the order of a container's two rules.
    fn both_make_the_same_rules(host, policy in ["open", "same-bridge"])
    needs [Iptables, Ip6tables, Nftables, PeerPlugins] {
        let node = Node::new(host, "iptables");
        let saved = |call: &Call| {
            for tool in ["iptables", "ip6tables"] {
                host.exec(format!("nft delete table {} filter", if tool == "iptables" { "ip" } else { "ip6" })).succeeds();
                host.tool(tool, "-P FORWARD DROP");
            }
            call.add().succeeds();
            let mut rules: Vec<String> = Vec::new();
            for tool in ["iptables", "ip6tables"] {
                // Debian's is from the time when all comments named the one policy there was.
                let listed = host.tool(tool, "-S").replace("same-bridge|isolated", "same-bridge");
                rules.extend(listed.lines().map(str::to_owned));
            }
            let own = |rule: &String| ADDRESSES.iter().any(|address| rule.contains(address));
            let (mut own, shared): (Vec<_>, Vec<_>) = rules.into_iter().partition(own);
            own.sort();
            (own, shared)
        };
        let (ours, theirs) = both(&node, "c1", &json!({ "ingressPolicy": policy }));
        let (theirs, ours) = (saved(&theirs), saved(&ours));
        assert_eq!(ours, theirs);
        assert_eq!(ours.0.len(), 4);
    }
}

ferrule_testkit::test! {
    /// The Go plugin took ours away and gave the address to a container of its own: neither GC nor
    /// a late DEL of ours touches that one, and its DEL by ours works.
    fn an_address_may_pass_from_ours_to_theirs(host, case in ["iptables", "legacy iptables"] => needs)
    needs [Iptables, Ip6tables, Nftables, PeerPlugins] {
        let node = Node::new(host, case);
        let valid = json!({ "cniVersion": "1.1.0", "cni.dev/valid-attachments": [
            { "containerID": "new", "ifname": "eth0" },
        ] });
        let (ours, theirs) = both(&node, "old", &json!({}));
        let (new_by_ours, new) = both(&node, "new", &json!({}));

        ours.add().succeeds();
        theirs.del().succeeds();
        new.add().succeeds();
        node.call_without_result(1, "old").del().succeeds();
        new.check().succeeds();

        new.del().succeeds();
        ours.add().succeeds();
        theirs.del().succeeds();
        new.add().succeeds();
        let config = node.config(1, &valid);
        ours.clone().config(&config).gc().succeeds();
        new.check().succeeds();

        new.del().succeeds();
        ours.add().succeeds();
        theirs.del().succeeds();
        new.add().succeeds();
        new_by_ours.check().succeeds();
        new_by_ours.del().succeeds();
        assert_no_rules(&node);
    }
}
