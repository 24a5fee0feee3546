//! Plugins killed at any system call.

use ferrule_tests::Network;
use serde_json::json;

use crate::bandwidth::node::{both, control, ifbs, pod};

ferrule_testkit::test! {
    /// ADD killed at any system call, then DEL: nothing is left, and ADD works again.
    fn a_killed_add_leaves_nothing_after_del(host) needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let pod = pod(host, &Network::ptp(), "c1", &both());
        let end = pod.attachment.host_end();
        let before = control(host, end);
        let add = pod.call.clone().verb("ADD");
        let mut survived = 0;
        for count in 1.. {
            let Some(killed) = add.killed_at_syscall(count) else { break };
            survived += usize::from(!ifbs(host).is_empty() || control(host, end) != before);
            pod.call.del().succeeds();
            assert_eq!(ifbs(host), [""; 0], "{killed}");
            assert_eq!(control(host, end), before, "{killed}");
        }
        assert!(survived > 3, "the sweep reached the points where something was there");
        pod.call.del().succeeds();
        pod.limit();
    }
}

ferrule_testkit::test! {
    /// ADD killed at any system call, without DEL: GC finds the IFB link.
    fn a_killed_add_leaves_no_ifb_after_gc(host) needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let pod = pod(host, &Network::ptp(), "c1", &both());
        let add = pod.call.clone().verb("ADD");
        let gc = |attachments| {
            let mut config = pod.config.clone();
            config["cni.dev/valid-attachments"] = attachments;
            pod.call.clone().config(&config).gc().succeeds();
        };
        let mut survived = 0;
        for count in 1.. {
            let Some(killed) = add.killed_at_syscall(count) else { break };
            if !ifbs(host).is_empty() {
                survived += 1;
                gc(json!([{ "containerID": "c1", "ifname": "eth0" }]));
                assert_eq!(ifbs(host).len(), 1, "{killed}");
                gc(json!([{ "containerID": "c2", "ifname": "eth0" }]));
                assert_eq!(ifbs(host), [""; 0], "{killed}");
            }
            pod.call.del().succeeds();
        }
        assert!(survived > 3, "the sweep reached the points where the link was there");
    }
}

ferrule_testkit::test! {
    /// DEL killed at any system call, then DEL again.
    fn a_killed_del_can_be_repeated(host) needs [Ifb, TokenBucketFilter, IngressRedirect, Ipv6] {
        let pod = pod(host, &Network::ptp(), "c1", &both());
        let end = pod.attachment.host_end();
        let before = control(host, end);
        let del = pod.call.clone().verb("DEL");
        pod.limit();
        let complete = control(host, end);
        for count in 1.. {
            let Some(killed) = del.killed_at_syscall(count) else { break };
            if control(host, end) == complete && !ifbs(host).is_empty() {
                continue;
            }
            pod.call.del().succeeds();
            assert_eq!(ifbs(host), [""; 0], "{killed}");
            assert_eq!(control(host, end), before, "{killed}");
            pod.limit();
        }
        assert_eq!(control(host, end), before);
    }
}
