//! Plugins killed at any system call.

use serde_json::json;

use crate::sbr::node::Node;

ferrule_testkit::test! {
    /// After a kill of ADD there is a route for every address, and DEL removes the rules. DEL may
    /// be killed as well.
    fn killed_anywhere(host) needs [Ipv6] {
        let node = Node::new(host);
        let add = node.call(&json!({ "addSourceHints": true })).verb("ADD");
        let del = node.call(&json!({})).verb("DEL");
        // Restores the moved routes as the plugin of the interface would.
        let renew = || {
            for words in [
                "link set net1 down", "link set net1 up",
                "address replace fd00:1::5/64 dev net1 nodad",
            ] {
                node.container.ip(words);
            }
        };
        let mut count = 1;
        while let Some(killed) = add.killed_at_syscall(count) {
            let rules = node.rules();
            for address in ["10.0.1.5", "fd00:1::5"] {
                let way = node.container.ip(["route", "get", &gateway(address), "from", address]);
                assert!(way.contains("net1"), "{way} after {killed}, {rules:?}");
            }
            del.run().succeeds();
            assert_eq!(node.rules(), Vec::<String>::new(), "after {killed}");
            renew();
            count += 1;
        }
        assert!(count > 40, "{count}");
        for count in 1.. {
            renew();
            add.run().succeeds();
            let Some(killed) = del.killed_at_syscall(count) else { break };
            del.run().succeeds();
            assert_eq!(node.rules(), Vec::<String>::new(), "after {killed}");
        }
    }
}

/// The gateway of an address.
fn gateway(address: &str) -> String {
    format!("{}1", address.trim_end_matches('5'))
}
