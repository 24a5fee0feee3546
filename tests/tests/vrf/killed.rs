//! Plugins killed at any system call.

use serde_json::json;

use crate::vrf::node::Node;

/// The number of the first system call, of fewer than 512, before which something has changed; a
/// kill at an earlier one leaves nothing. On the lab kernel a process takes too long to try all.
fn first_change(mut is_changed: impl FnMut(usize) -> bool) -> usize {
    let (mut unchanged, mut changed) = (0, 512);
    while changed - unchanged > 1 {
        let middle = usize::midpoint(unchanged, changed);
        if is_changed(middle) {
            changed = middle;
        } else {
            unchanged = middle;
        }
    }
    changed
}

/// Each case kills at one of this many system calls, all cases together at every second one: on the
/// lab kernel each kill takes half a second.
const STRIDE: usize = 6;

ferrule_testkit::test! {
    /// ADD killed at any system call from the first change on: DEL leaves no VRF.
    fn a_killed_add_leaves_nothing_after_del(host, case in ["0", "2", "4"]) needs [Vrf, Ipv6] {
        let node = Node::new(host);
        let call = node.call(&json!({}));
        let (add, del) = (call.clone().verb("ADD"), call.verb("DEL"));
        let is_left = |count| {
            let killed = add.killed_at_syscall(count);
            if !node.container.has_link("red") {
                return (killed, false);
            }
            del.run().succeeds();
            assert!(!node.container.has_link("red"), "left by {killed:?}");
            (killed, true)
        };
        let first = first_change(|count| is_left(count).1);
        assert!((40..400).contains(&first), "{first}");
        for count in (first + case.parse::<usize>().unwrap()..).step_by(STRIDE) {
            if is_left(count).0.is_none() {
                break;
            }
        }
    }
}

ferrule_testkit::test! {
    /// DEL killed at any system call from the first change on: the next DEL completes it.
    fn a_killed_del_can_be_repeated(host, case in ["0", "2", "4"]) needs [Vrf, Ipv6] {
        let node = Node::new(host);
        let call = node.call(&json!({}));
        let (add, del) = (call.clone().verb("ADD"), call.verb("DEL"));
        add.run().succeeds();
        let is_changed = |count| {
            let killed = del.killed_at_syscall(count);
            if node.container.has_link("red") && node.master("net1").is_some() {
                return (killed, false);
            }
            del.run().succeeds();
            assert!(!node.container.has_link("red"), "left by {killed:?}");
            add.run().succeeds();
            (killed, true)
        };
        let first = first_change(|count| is_changed(count).1);
        assert!((40..400).contains(&first), "{first}");
        for count in (first + case.parse::<usize>().unwrap()..).step_by(STRIDE) {
            if is_changed(count).0.is_none() {
                break;
            }
        }
    }
}
