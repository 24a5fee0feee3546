//! `kill -9` between any two system calls, then DEL.

use serde_json::json;

use crate::FORMS;
use crate::node::{Node, mapping, mapping_at};

ferrule_testkit::test! {
    /// ADD killed anywhere, then DEL: only what all containers share is left.
    fn a_killed_add_leaves_nothing_after_del(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let mappings = [mapping("tcp", 8080, 80), mapping_at("192.0.2.1", "udp", 8080, 80)];
        let pod = node.prepare("pod", &mappings, &json!({}));
        pod.portmap.add().succeeds();
        pod.portmap.del().succeeds();
        let skeleton = node.rules();
        let add = pod.portmap.clone().verb("ADD");
        let del = pod.call_with(&json!({ "prevResult": null })).netns("");
        let mut survived = 0;
        for count in 1.. {
            let Some(killed) = add.killed_at_syscall(count) else { break };
            survived += usize::from(node.rules() != skeleton);
            del.del().succeeds();
            assert_eq!(node.rules(), skeleton, "{killed}");
        }
        assert!(survived > 0, "the sweep reached the point where something was there");
    }
}

ferrule_testkit::test! {
    /// DEL killed anywhere, then DEL again.
    fn a_killed_del_can_be_repeated(host, form in ["iptables", "nftables", "maps"])
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let mappings = [mapping("tcp", 8080, 80), mapping_at("192.0.2.1", "udp", 8080, 80)];
        let pod = node.prepare("pod", &mappings, &json!({}));
        pod.portmap.add().succeeds();
        pod.portmap.del().succeeds();
        let skeleton = node.rules();
        pod.portmap.add().succeeds();
        let complete = node.rules();
        let del = pod.portmap.clone().verb("DEL");
        for count in 1.. {
            let Some(killed) = del.killed_at_syscall(count) else { break };
            if node.rules() == complete {
                continue;
            }
            pod.portmap.del().succeeds();
            assert_eq!(node.rules(), skeleton, "{killed}");
            pod.portmap.add().succeeds();
        }
        assert_eq!(node.rules(), skeleton);
    }
}
