//! Plugins that are killed at any system call.

use ferrule_testkit::{Container, Host, assert_same};
use ferrule_tests::single_link::leases;

use crate::host_device::{idle_wire, on_wire, state};

const LOCKS: &str = "/run/cni/locks";

/// What every DEL must restore: links of both sides, files and reserved addresses.
fn traces(host: &Host, container: &Container) -> String {
    let mut files = Vec::new();
    for folder in ["/run/cni", "/run/cni/host-device", LOCKS] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.extend(entries.map(|entry| entry.path().display().to_string()));
    }
    // The folder of locks stays, but is empty; the index of host-local stays.
    files.retain(|path| path != LOCKS && path != "/run/cni/host-local");
    let links = |text: String| {
        let lines = text.lines().map(|line| line.replace("@NONE", ""));
        let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        words.collect::<Vec<_>>().join("\n")
    };
    format!(
        "{}\n{}\n{files:?} {:?}",
        links(host.ip("-o -br link show")),
        links(container.ip("-o -br link show")),
        leases(),
    )
}

ferrule_testkit::test! {
    /// DEL after an ADD that was killed at any system call finds the device.
    fn del_after_a_killed_add_returns_the_device(host) {
        idle_wire(host);
        let container = host.netns("c1");
        let call = on_wire().call(host, "c1");
        let (before, whole) = (traces(host, &container), state(host));
        let mut killed = 0;
        for count in 1.. {
            let Some(outcome) = call.clone().verb("ADD").killed_at_syscall(count) else { break };
            killed += 1;
            call.del().succeeds();
            assert_eq!(traces(host, &container), before, "after {outcome}");
        }
        assert!(killed > 100, "only {killed} system calls");
        // The last ADD was not killed.
        assert!(container.has_link("eth0"));
        call.del().succeeds();
        assert_same(&whole, &state(host));
    }
}

ferrule_testkit::test! {
    /// The same for a killed DEL that is sent again.
    fn del_after_a_killed_del_returns_the_device(host) {
        idle_wire(host);
        let container = host.netns("c1");
        let call = on_wire().call(host, "c1");
        let (before, whole) = (traces(host, &container), state(host));
        let mut killed = 0;
        for count in 1.. {
            call.add().succeeds();
            let Some(outcome) = call.clone().verb("DEL").killed_at_syscall(count) else { break };
            killed += 1;
            call.del().succeeds();
            assert_eq!(traces(host, &container), before, "after {outcome}");
        }
        assert!(killed > 100, "only {killed} system calls");
        assert_eq!(traces(host, &container), before);
        assert_same(&whole, &state(host));
    }
}

ferrule_testkit::test! {
    /// An ADD after a killed one works without a DEL in between.
    fn an_add_after_a_killed_add_works(host) {
        idle_wire(host);
        let container = host.netns("c1");
        let call = on_wire().without_ipam().call(host, "c1");
        let before = traces(host, &container);
        for count in (1..).step_by(3) {
            let Some(outcome) = call.clone().verb("ADD").killed_at_syscall(count) else { break };
            if container.has_link("eth0") {
                // It was nearly complete: the interface exists, which requires a DEL.
                call.add().fails().mentions("already exists");
            } else {
                call.add().succeeds();
                assert!(container.has_link("eth0"), "after {outcome}");
            }
            call.del().succeeds();
            assert_eq!(traces(host, &container), before, "after {outcome}");
        }
    }
}

ferrule_testkit::test! {
    /// Also after the end of the container's namespace: the device is in the staging namespace.
    fn del_after_a_killed_add_needs_no_namespace(host) {
        idle_wire(host);
        let whole = state(host);
        let call = on_wire().without_ipam().call(host, "c1");
        let mut on_the_way = 0;
        for count in (1..).step_by(2) {
            let container = host.netns("c1");
            let Some(outcome) = call.clone().verb("ADD").killed_at_syscall(count) else { break };
            if container.has_link("eth0") {
                break;
            }
            on_the_way += usize::from(!host.has_link("wire0"));
            container.remove();
            call.del().succeeds();
            assert!(host.has_link("wire0"), "after {outcome}");
            assert_same(&whole, &state(host));
        }
        assert!(on_the_way > 0, "never caught between the sides");
    }
}
