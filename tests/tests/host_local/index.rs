//! The index of reservations: fast if it is valid, without effect on results if it is not.

use std::fs;

use serde_json::json;

use crate::host_local::pool::{Pool, content};

/// More system calls than any verb makes, and fewer than there are reservations.
const FEW: usize = 250;

/// Number of reservations in the tests of cost.
const MANY: u32 = 3000;

fn crowd(pool: &Pool) {
    for number in 0..MANY {
        let [.., third, fourth] = (number + 256).to_be_bytes();
        pool.write(
            &format!("10.1.{third}.{fourth}"),
            &content(&format!("crowd{number}")),
        );
    }
}

ferrule_testkit::test! {
    /// No verb on one attachment reads all reservations or tries all addresses.
    fn verbs_do_not_depend_on_the_number_of_reservations(host) {
        let pool = Pool::of_subnet(host, "10.1.0.0/16");
        crowd(&pool);
        pool.add("first");
        for (container, verb) in [("c1", "ADD"), ("c1", "ADD"), ("c1", "CHECK"), ("c1", "DEL"), ("c1", "DEL")] {
            let call = pool.ours(container).verb(verb);
            assert!(call.killed_at_syscall(FEW).is_none(), "{verb}");
        }
        assert_eq!(pool.reservations().len(), MANY as usize + 1);
        // A range whose next addresses are reserved: their names are read at once, not tried one
        // by one.
        pool.write("last_reserved_ip.0", "10.1.0.255");
        let call = pool.ours("c2").verb("ADD");
        assert!(call.killed_at_syscall(FEW).is_none());
        assert_eq!(pool.files()["10.1.12.184"], content("c2"));
    }
}

ferrule_testkit::test! {
    /// Verbs return the same results with any damage to the index.
    fn a_damaged_index_changes_no_result(host) {
        let pool = Pool::new(host, json!({ "ranges": [[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "fd00::/64" }]] }));
        pool.add("other");
        let old = fs::read(pool.index()).unwrap();
        pool.add("c1");
        let sound = fs::read(pool.index()).unwrap();
        let flipped = |every: usize| {
            let flip = |(at, byte): (usize, &u8)| if at % every == 0 { byte ^ 0x40 } else { *byte };
            sound.iter().enumerate().map(flip).collect::<Vec<u8>>()
        };
        let damages: [Option<Vec<u8>>; 8] = [
            None,
            Some(Vec::new()),
            Some(old),
            Some(vec![0; sound.len()]),
            Some(b"not an index at all".repeat(1000)),
            Some(sound[..sound.len() / 2].to_vec()),
            Some(flipped(7)),
            // The header stays valid.
            Some(sound[..16].iter().copied().chain(flipped(1)[16..].iter().copied()).collect()),
        ];
        for damage in damages {
            for verb in ["ADD", "CHECK", "DEL"] {
                match &damage {
                    Some(bytes) => fs::write(pool.index(), bytes).unwrap(),
                    None => fs::remove_file(pool.index()).unwrap(),
                }
                let outcome = pool.ours("c1").verb(verb).run();
                match verb {
                    "ADD" => drop(outcome.fails_with_code(999).mentions("duplicate allocation")),
                    _ => drop(outcome.succeeds()),
                }
            }
            assert_eq!(pool.reservations().into_values().collect::<Vec<_>>(), [content("other"), content("other")]);
            pool.add("c1");
        }
    }
}

ferrule_testkit::test! {
    /// Everything works without a place for the index, and with a file system of its own for the
    /// network.
    fn an_index_is_not_needed(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        fs::create_dir_all(pool.folder()).unwrap();
        host.exec(["mount", "-t", "tmpfs", "tmpfs", pool.folder().to_str().unwrap()]).succeeds();
        pool.add("mounted");
        pool.ours("mounted").check().succeeds();
        fs::remove_dir_all("/run/cni/host-local").unwrap();
        fs::write("/run/cni/host-local", "").unwrap();
        let blocked = Pool::of_subnet(host, "10.1.2.0/24").in_folder("/var/lib/cni/blocked");
        blocked.add("c1");
        for pool in [&pool, &blocked] {
            pool.add("c2");
            pool.ours("c2").add().fails_with_code(999).mentions("duplicate allocation");
            pool.ours("c2").del().succeeds();
            assert_eq!(pool.reservations().len(), 1);
        }
        assert!(!blocked.index().exists());
    }
}

ferrule_testkit::test! {
    /// The next verb sees changes by administrators and other programs.
    fn changes_by_hand_are_seen(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/29");
        pool.add("c1");
        // An address excluded by a file, as K2s does.
        pool.write("10.1.2.3", &content("planted"));
        assert_eq!(pool.add("c2"), ["10.1.2.4"]);
        pool.ours("planted").add().fails_with_code(999).mentions("10.1.2.3 has been allocated to planted");
        fs::remove_file(pool.folder().join("10.1.2.2")).unwrap();
        pool.ours("c1").check().fails_with_code(999);
        assert_eq!(pool.add("c1"), ["10.1.2.5"]);
        fs::remove_dir_all(pool.folder()).unwrap();
        assert_eq!(pool.add("c1"), ["10.1.2.2"]);
    }
}

ferrule_testkit::test! {
    /// A folder that was restored with its times, inode and content is not confused with the one
    /// that the index describes: later reservations stay reserved, and DEL releases them.
    fn a_restored_folder_is_read_anew(host) needs [Tool("tar")] {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        pool.add("c1");
        pool.ours("c1").check().succeeds();
        let backup = host.work_folder().join("backup.tar");
        let backup = backup.to_str().unwrap();
        host.exec(["tar", "-C", "/var/lib/cni", "-cpf", backup, "networks"]).succeeds();
        pool.ours("c1").del().succeeds();
        pool.add("c2");
        // In place of the folder, and then as a new folder.
        host.exec(["tar", "-C", "/var/lib/cni", "-xpf", backup]).succeeds();
        pool.ours("c1").check().succeeds();
        pool.ours("c2").del().succeeds();
        assert_eq!(pool.reservations().into_values().collect::<Vec<_>>(), [content("c1")]);
        fs::remove_dir_all("/var/lib/cni/networks").unwrap();
        host.exec(["tar", "-C", "/var/lib/cni", "-xpf", backup]).succeeds();
        pool.ours("c1").add().fails_with_code(999).mentions("duplicate allocation");
        pool.ours("c1").del().succeeds();
        assert!(pool.reservations().is_empty());
    }
}

ferrule_testkit::test! {
    /// One folder under several paths: each verb sees the changes made under another one.
    fn a_folder_has_one_index_whatever_its_paths(host, kind in ["link", "mount"]) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        pool.add("first");
        let other = pool.clone().in_folder("/var/lib/cni/other");
        fs::create_dir("/var/lib/cni/other").unwrap();
        let (there, here) = (pool.folder(), other.folder());
        if kind == "link" {
            std::os::unix::fs::symlink(there, here).unwrap();
        } else {
            fs::create_dir(&here).unwrap();
            host.exec(["mount", "--bind", there.to_str().unwrap(), here.to_str().unwrap()]).succeeds();
        }
        for (container, adds, deletes) in [("c1", &pool, &other), ("c2", &other, &pool), ("c3", &pool, &other)] {
            adds.add(container);
            deletes.ours(container).check().succeeds();
            deletes.ours(container).add().fails_with_code(999).mentions("duplicate allocation");
            deletes.ours(container).del().succeeds();
            adds.ours(container).check().fails_with_code(999);
        }
        assert_eq!(pool.reservations().into_values().collect::<Vec<_>>(), [content("first")]);
    }
}

ferrule_testkit::test! {
    /// A file system with room for the files of the Go plugin has room for ours.
    fn four_pages_hold_what_the_go_plugins_can(host) needs [PeerPlugins] {
        let fill = |folder: &str, go: bool| {
            let pool = Pool::of_subnet(host, "10.1.2.0/24").in_folder(folder).with("cniVersion", json!("1.0.0"));
            fs::create_dir(folder).unwrap();
            host.exec(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder]).succeeds();
            let call = |id: String| if go { pool.peer(&id) } else { pool.ours(&id) };
            let adds = (0..9).map(|number| call(format!("c{number}")).add());
            let count = adds.take_while(|outcome| outcome.status.success()).count();
            (count, pool)
        };
        let (theirs, _) = fill("/var/lib/cni/go", true);
        let (ours, pool) = fill("/var/lib/cni/ours", false);
        assert!(ours >= theirs && theirs > 1, "{ours} and {theirs}");
        pool.ours("more").add().fails_with_code(5).mentions("no space left on device");
        assert_eq!(pool.reservations().len(), ours);
        pool.ours("c0").del().succeeds();
        pool.add("more");
    }
}

ferrule_testkit::test! {
    /// On a read-only file system CHECK works, and DEL without a reservation succeeds.
    fn a_read_only_folder_is_enough_for_reading(host, lock in ["there", "missing"]) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        pool.add("c1");
        if lock == "missing" {
            fs::remove_file(pool.folder().join("lock")).unwrap();
        }
        host.exec(["mount", "-o", "remount,ro", "/var/lib/cni"]).succeeds();
        for _ in 0..2 {
            pool.ours("c1").check().succeeds();
            pool.ours("c2").check().fails_with_code(999);
            pool.ours("c2").del().succeeds();
            pool.ours("c1").del().fails_with_code(5).mentions("read-only file system");
            pool.ours("c2").add().fails_with_code(5).mentions("read-only file system");
            fs::remove_dir_all("/run/cni/host-local").ok();
        }
        assert_eq!(pool.reservations().len(), 1);
    }
}
