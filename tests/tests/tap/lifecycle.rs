//! DEL, failed ADDs and GC leave nothing.

use ferrule_tests::single_link;
use serde_json::json;

use crate::tap::tap;

ferrule_testkit::test! {
    /// DEL removes link and addresses in every state of the container, and nothing else. A name
    /// that is taken is refused, and the existing link is not touched.
    fn del_leaves_nothing(host) needs [Tun] {
        single_link::del_leaves_nothing(host, &tap());
        single_link::del_spares_others(host, &tap());
    }
}

ferrule_testkit::test! {
    /// A failed ADD leaves neither link nor address.
    fn a_failed_add_leaves_nothing(host) needs [Tun] {
        single_link::failed_add_leaves_nothing(host, &tap());
    }
}

ferrule_testkit::test! {
    /// GC releases the addresses of attachments that are not listed.
    fn gc_collects_stale_attachments(host) needs [Tun] {
        single_link::gc_collects_what_is_dead(host, &tap());
    }
}

ferrule_testkit::test! {
    /// A tap created by other means, such as the Go plugin, has no alias: it is identified by its
    /// name.
    fn a_tap_without_alias_is_checked_and_removed(host) needs [Tun] {
        let container = host.netns("c1");
        container.ip("tuntap add eth0 mode tap user 54321 group 54322");
        container.ip("link set eth0 up");
        // The Go plugin ignores the MTU where owner and group are set.
        let keys = json!({ "owner": 54321, "group": 54322, "mtu": 1400 });
        let network = tap().without_ipam().version("1.0.0").with(keys);
        let result = json!({ "cniVersion": "1.0.0", "interfaces": [{
            "name": "eth0", "mac": container.link("eth0")["address"],
            "sandbox": container.path().display().to_string(),
        }] });
        let call = network.call(host, "c1");
        let recorded = ferrule_tests::with_prev_result(&network.config, &result);
        call.clone().config(recorded).check().succeeds();
        call.del().succeeds();
        assert!(!container.has_link("eth0"));
    }
}

ferrule_testkit::test! {
    /// DEL removes everything after an ADD that was killed at any system call.
    fn a_killed_add_leaves_nothing_after_del(host) needs [Tun] {
        let container = host.netns("c1");
        let keys = json!({ "owner": 54321, "group": 54322, "mtu": 1400 });
        let call = tap().with(keys).call(host, "c1");
        let links = || container.ip("-o -br link show");
        let (before, state) = (links(), host.snapshot().ignoring(&["/var/lib/cni"]));
        let mut killed = 0;
        for count in 1.. {
            let Some(outcome) = call.clone().verb("ADD").killed_at_syscall(count) else { break };
            killed += 1;
            call.del().succeeds();
            assert_eq!(links(), before, "after {outcome}");
            assert_eq!(single_link::leases(), Vec::<String>::new(), "after {outcome}");
        }
        assert!(killed > 50, "only {killed} system calls");
        // The last ADD was not killed.
        assert!(container.has_link("eth0"));
        call.del().succeeds();
        ferrule_testkit::assert_same(&state, &host.snapshot().ignoring(&["/var/lib/cni"]));
    }
}
