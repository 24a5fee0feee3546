//! `kill -9` in the middle.

use std::fs;

use serde_json::json;

use crate::firewall::node::{CASES, Node, needs};

const ADDRESSES: [&str; 2] = ["10.1.1.2", "fd00:1:1::2"];

fn notes() -> usize {
    ["attachments", "addresses"]
        .iter()
        .flat_map(|name| fs::read_dir(format!("/run/cni/firewall/{name}")))
        .map(Iterator::count)
        .sum()
}

ferrule_testkit::test! {
    /// ADD killed at any system call, then a DEL that knows nothing but names: nothing is left. The
    /// DEL may be killed anywhere, too.
    fn killed_anywhere(host, case in CASES => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let keys = json!({ "ingressPolicy": "same-bridge" });
        let add = node.call(1, "c1", &ADDRESSES, &keys).verb("ADD");
        let del = node.call_without_result(1, "c1").verb("DEL");
        add.run().succeeds();
        del.run().succeeds();
        let assert_clean = |what: &str| {
            let rules = node.rules();
            let left = rules.lines().find(|rule| ADDRESSES.iter().any(|one| rule.contains(one)));
            assert_eq!(left, None, "{what}");
            assert_eq!(notes(), 0, "{what}");
        };
        let mut count = 1;
        while let Some(killed) = add.killed_at_syscall(count) {
            del.run().succeeds();
            assert_clean(&killed.to_string());
            count += 1;
        }
        assert!(count > 40, "{count}");
        // The last one was not killed.
        for count in 1.. {
            add.run().succeeds();
            let Some(killed) = del.killed_at_syscall(count) else { break };
            del.run().succeeds();
            assert_clean(&killed.to_string());
        }
        assert_clean("at the end");
    }
}
