//! Plugins killed at any point, and what they leave.

use std::collections::BTreeSet;

use serde_json::json;

use crate::host_local::pool::{Pool, content};

/// No reservation is empty, and each attachment has only its own addresses.
#[track_caller]
fn assert_whole(pool: &Pool, when: &str) {
    for (name, text) in pool.reservations() {
        assert!(!text.is_empty(), "{name} is empty {when}");
    }
}

ferrule_testkit::test! {
    /// ADD killed at any system call: no other ADD gets its address, and DEL leaves nothing.
    fn a_killed_add_leaves_nothing_after_del(host) {
        let pool = Pool::new(host, json!({ "ranges": [[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "fd00::/64" }]] }));
        for count in 1.. {
            let Some(killed) = pool.ours("c1").verb("ADD").killed_at_syscall(count) else { break };
            let when = format!("after {killed}");
            assert_whole(&pool, &when);
            let held: BTreeSet<String> = pool.reservations().into_keys().collect();
            let others: BTreeSet<String> = pool.add("c2").into_iter().collect();
            assert!(held.is_disjoint(&others), "{when}: {held:?} and {others:?}");
            pool.ours("c1").del().succeeds();
            let left = pool.reservations();
            assert_eq!(left.keys().cloned().collect::<BTreeSet<_>>(), others, "{when}");
            assert!(left.values().all(|text| *text == content("c2")), "{when}");
            pool.ours("c2").del().succeeds();
            assert!(pool.reservations().is_empty(), "{when}");
        }
        assert!(pool.files().keys().all(|name| name == "lock" || name.starts_with("last_reserved_ip.")
            || name.parse::<std::net::IpAddr>().is_ok()));
    }
}

ferrule_testkit::test! {
    /// The first ADD, killed at any system call: folder, lock and index do not exist before.
    fn a_killed_first_add_leaves_nothing_after_del(host) {
        for count in 1.. {
            let pool = Pool::of_subnet(host, "10.1.2.0/24").in_folder(&format!("/var/lib/cni/{count}"));
            let Some(killed) = pool.ours("c1").verb("ADD").killed_at_syscall(count) else { break };
            assert_whole(&pool, &format!("after {killed}"));
            pool.ours("c1").del().succeeds();
            assert!(pool.reservations().is_empty(), "after {killed}");
            pool.add("c1");
            pool.ours("c1").check().succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// DEL killed at any system call: a second DEL leaves nothing, and other reservations stay.
    fn a_killed_del_can_be_repeated(host) {
        let pool = Pool::new(host, json!({ "ranges": [[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "fd00::/64" }]] }));
        let kept: BTreeSet<String> = pool.add("keep").into_iter().collect();
        for count in 1.. {
            pool.add("c1");
            let Some(killed) = pool.ours("c1").verb("DEL").killed_at_syscall(count) else { break };
            pool.ours("c1").del().succeeds();
            assert_eq!(pool.reservations().into_keys().collect::<BTreeSet<_>>(), kept, "after {killed}");
            pool.ours("keep").check().succeeds();
        }
        pool.ours("c1").del().succeeds();
        pool.ours("keep").del().succeeds();
        assert!(pool.reservations().is_empty());
    }
}

ferrule_testkit::test! {
    /// The Go plugin continues after a kill of ours, in ADD and in DEL.
    fn the_go_plugin_continues_after_a_kill(host) needs [PeerPlugins] {
        let pool = Pool::of_subnet(host, "10.1.2.0/24").with("cniVersion", json!("1.0.0"));
        for count in 1.. {
            let Some(killed) = pool.ours("c1").verb("ADD").killed_at_syscall(count) else { break };
            pool.peer("c1").del().succeeds();
            assert!(pool.reservations().is_empty(), "after {killed}");
            pool.add("c1");
            let del = pool.ours("c1").verb("DEL").killed_at_syscall(count);
            pool.peer("c1").del().succeeds();
            assert!(pool.reservations().is_empty(), "after {del:?}");
        }
    }
}

ferrule_testkit::test! {
    /// Ours continues after a kill of the Go plugin: its empty files are reused.
    fn ours_continues_after_a_killed_go_plugin(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/29");
        for address in [3, 5] {
            pool.write(&format!("10.1.2.{address}"), "");
        }
        for (container, address) in [("a", 2), ("b", 4), ("c", 6), ("d", 3), ("e", 5)] {
            assert_eq!(pool.add(container), [format!("10.1.2.{address}")]);
        }
        pool.ours("f").add().fails_with_code(11);
        pool.ours("d").check().succeeds();
        pool.ours("d").del().succeeds();
        pool.write("10.1.2.3", "");
        assert_eq!(crate::host_local::pool::addresses(&pool.ours("f").args("IP=10.1.2.3").add().succeeds().json()), ["10.1.2.3"]);
        assert_whole(&pool, "at the end");
    }
}
