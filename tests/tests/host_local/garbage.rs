//! GC.

use std::fs;

use ferrule_testkit::Outcome;
use serde_json::{Value, json};

use crate::host_local::pool::Pool;

fn gc(pool: &Pool, keep: Value) -> Outcome {
    pool.clone()
        .with("cni.dev/valid-attachments", keep)
        .ours("x")
        .gc()
}

fn left(pool: &Pool) -> Vec<String> {
    pool.reservations().into_keys().collect()
}

ferrule_testkit::test! {
    /// Exactly the reservations of listed attachments stay.
    fn gc_keeps_what_is_listed(host) {
        let pool = Pool::new(host, json!({ "ranges": [[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "fd00::/64" }]] }));
        for container in ["a", "b", "c"] {
            pool.add(container);
        }
        pool.ours("a").ifname("net1").add().succeeds();
        pool.write("10.1.2.20", "b");
        pool.write("10.1.2.21", "gone");
        pool.write("10.1.2.22", "");
        pool.write("10.1.2.23", "a\nnet1");
        pool.write("10.9.9.9", "old\r\neth0");
        pool.write("notes", "gone");
        fs::create_dir(pool.folder().join("10.1.2.30")).unwrap();
        let keep = json!([{ "containerID": "a", "ifname": "net1" }, { "containerID": "b", "ifname": "eth5" }]);
        gc(&pool, keep.clone()).succeeds().stdout_is("");
        fs::remove_dir(pool.folder().join("10.1.2.30")).unwrap();
        assert_eq!(left(&pool), ["10.1.2.20", "10.1.2.23", "10.1.2.5", "fd00::5"]);
        let others: Vec<String> = pool.files().into_keys().filter(|name| !left(&pool).contains(name)).collect();
        assert_eq!(others, ["last_reserved_ip.0", "last_reserved_ip.1", "lock", "notes"]);
        pool.ours("a").ifname("net1").check().succeeds();
        pool.ours("c").check().fails_with_code(999);
        let before = pool.files();
        gc(&pool, keep).succeeds();
        assert_eq!(pool.files(), before);
    }
}

ferrule_testkit::test! {
    /// An empty list releases everything; without a list nothing is released.
    fn gc_without_a_list_collects_nothing(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        pool.add("a");
        pool.ours("x").gc().succeeds().stdout_is("");
        assert_eq!(left(&pool).len(), 1);
        gc(&pool, Value::Null).succeeds();
        assert_eq!(left(&pool).len(), 0);
        pool.add("a");
        let older = pool.clone().with("cni.dev/attachments", json!([]));
        older.ours("x").gc().succeeds();
        assert_eq!(left(&pool).len(), 0);
    }
}

ferrule_testkit::test! {
    /// GC needs no ranges, as runtimes pass theirs only to ADD, and creates no folder.
    fn gc_needs_no_ranges(host) {
        let bare = Pool::new(host, json!({}));
        gc(&bare, json!([])).succeeds();
        assert_eq!(fs::read_dir("/var/lib/cni").unwrap().count(), 0);
        let pool = bare.clone().with("runtimeConfig", json!({ "ipRanges": [[{ "subnet": "10.1.2.0/24" }]] }));
        pool.add("a");
        pool.add("b");
        gc(&bare, json!([{ "containerID": "b", "ifname": "eth0" }])).succeeds();
        assert_eq!(left(&pool), ["10.1.2.3"]);
        for version in ["0.4.0", "1.0.0"] {
            let old = pool.clone().with("cniVersion", json!(version));
            gc(&old, json!([])).fails_with_code(1);
        }
        assert_eq!(left(&pool).len(), 1);
    }
}

ferrule_testkit::test! {
    /// GC killed at any system call can be repeated, and keeps what it must keep.
    fn a_killed_gc_can_be_repeated(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        pool.add("keep");
        let collecting = pool.clone().with("cni.dev/valid-attachments", json!([{ "containerID": "keep", "ifname": "eth0" }]));
        for count in 1.. {
            pool.add("a");
            pool.add("b");
            let Some(killed) = collecting.ours("x").verb("GC").killed_at_syscall(count) else { break };
            pool.ours("keep").check().succeeds();
            collecting.ours("x").gc().succeeds();
            assert_eq!(left(&pool), ["10.1.2.2"], "after {killed}");
        }
    }
}
