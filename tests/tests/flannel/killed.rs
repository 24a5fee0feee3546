//! Plugins killed at any system call, then DEL or GC: nothing is left.

use ferrule_testkit::Host;
use serde_json::json;

use crate::flannel::{DUAL, call, config, leases, records, write_subnet_env};

/// Kills `verb` at each of its system calls in turn; `clean` must clean up.
fn sweep(host: &Host, verb: &str, clean: &str) {
    write_subnet_env(DUAL);
    let container = host.netns("c1");
    let call = call(host, "c1");
    let mut collected = config();
    collected["cni.dev/valid-attachments"] = json!([]);
    let cleaner = match clean {
        "GC" => call.clone().config(collected),
        _ => call.clone(),
    };
    let mut written = 0;
    for count in 1.. {
        if verb == "DEL" {
            call.add().succeeds();
        }
        let Some(killed) = call.clone().verb(verb).killed_at_syscall(count) else {
            break;
        };
        written += usize::from(!records().is_empty());
        match clean {
            "GC" => cleaner.gc().succeeds(),
            _ => cleaner.del().succeeds(),
        };
        assert_eq!((records(), leases()), (vec![], vec![]), "left by {killed}");
        assert!(!container.has_link("eth0"), "left by {killed}");
        assert!(count < 2000, "an ADD or DEL takes fewer system calls");
    }
    assert!(written > 0, "never killed with a record");
    // The last one ran to completion.
    call.del().succeeds();
    assert_eq!((records(), leases()), (vec![], vec![]));
    assert_eq!(
        host.ip_json("link show type veth")
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

ferrule_testkit::test! {
    fn add_is_killed(host) needs [Ipv6] {
        sweep(host, "ADD", "DEL");
    }
}

ferrule_testkit::test! {
    fn add_is_killed_and_collected(host) needs [Ipv6] {
        sweep(host, "ADD", "GC");
    }
}

ferrule_testkit::test! {
    fn del_is_killed(host) needs [Ipv6] {
        sweep(host, "DEL", "DEL");
    }
}
