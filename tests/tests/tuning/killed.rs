//! Plugins killed at any system call.

use serde_json::{Value, json};

use crate::tuning::node::{all_and_queue, container, records, state, tuning};

fn keys() -> Value {
    let mut keys = all_and_queue();
    keys["sysctl"] = json!({ "net.core.somaxconn": "500" });
    keys
}

ferrule_testkit::test! {
    /// ADD killed at any system call, then DEL: the interface is restored, and nothing is left.
    fn a_killed_add_is_undone_by_del(host) {
        let container = container(host, "c1");
        let before = state(&container);
        let call = tuning(host, "c1", &keys());
        let mut killed = 0;
        for count in 1.. {
            let Some(outcome) = call.clone().verb("ADD").killed_at_syscall(count) else { break };
            killed += 1;
            if count % 2 == 0 {
                // The next iteration starts with what this one left.
                call.add().succeeds();
            }
            call.del().succeeds();
            assert_eq!((state(&container), records()), (before.clone(), vec![]), "after {outcome}");
        }
        assert!(killed > 40, "only {killed} system calls");
        call.del().succeeds();
        assert_eq!((state(&container), records()), (before, vec![]));
    }
}

ferrule_testkit::test! {
    /// A second ADD killed at any system call does not lose the values before the first.
    fn a_killed_second_add_keeps_the_first_values(host) {
        let container = container(host, "c1");
        let before = state(&container);
        let call = tuning(host, "c1", &keys());
        for count in 1.. {
            call.add().succeeds();
            let Some(outcome) = call.clone().verb("ADD").killed_at_syscall(count) else { break };
            call.del().succeeds();
            assert_eq!((state(&container), records()), (before.clone(), vec![]), "after {outcome}");
        }
    }
}

ferrule_testkit::test! {
    /// DEL killed at any system call, then DEL again; a GC instead leaves no record either.
    fn a_killed_del_can_be_repeated(host) {
        let container = container(host, "c1");
        let before = state(&container);
        let call = tuning(host, "c1", &keys());
        let gc = tuning(host, "c1", &json!({ "cni.dev/valid-attachments": [] }));
        let mut killed = 0;
        for count in 1.. {
            call.add().succeeds();
            let Some(outcome) = call.clone().verb("DEL").killed_at_syscall(count) else { break };
            killed += 1;
            if count % 2 == 0 {
                gc.gc().succeeds();
                assert_eq!(records(), [""; 0], "GC after {outcome}");
                container.ip("link set eth0 address 02:00:00:00:00:01 mtu 1500 promisc off allmulticast off txqueuelen 1000");
            }
            call.del().succeeds();
            assert_eq!((state(&container), records()), (before.clone(), vec![]), "after {outcome}");
        }
        assert!(killed > 20, "only {killed} system calls");
    }
}
