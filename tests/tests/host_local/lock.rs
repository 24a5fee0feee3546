//! The lock of a network's folder, which the Go plugins and other programs take as well.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::host_local::pool::Pool;

/// The deadline of the lock, and a margin for a slow machine.
const TIMEOUT: Duration = Duration::from_secs(30 + 15);

ferrule_testkit::test! {
    /// With a stopped lock holder every verb ends, and those that need the lock name the holder.
    fn a_stopped_holder_is_named(host) needs [Tool("flock")] {
        let pool = Pool::of_subnet(host, "10.1.2.0/24").with("cni.dev/valid-attachments", json!([]));
        pool.add("c1");
        let lock = pool.folder().join("lock");
        let mut holder = host.start(["flock", "--no-fork", lock.to_str().unwrap(), "sleep", "600"]);
        while File::open(&lock).unwrap().try_lock().is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let holder_id = holder.pid().to_string();
        host.exec(["kill", "-STOP", &holder_id]).succeeds();
        pool.ours("x").status().succeeds();
        let running = ["ADD", "DEL", "CHECK", "GC"].map(|verb| pool.ours("c2").verb(verb).start());
        for running in running {
            let outcome = running.wait();
            assert!(outcome.elapsed < TIMEOUT, "{outcome:?}");
            outcome.fails_with_code(11).mentions("networks/net/lock").mentions(&format!("(process {holder_id}, stopped)"));
        }
        assert_eq!(pool.reservations().len(), 1);
        holder.kill();
        holder.wait();
        pool.add("c2");
    }
}

/// Waits until a process waits for the lock of a file.
fn await_waiting_for(file: &File) {
    let waiting = format!(":{} ", file.metadata().unwrap().ino());
    let start = Instant::now();
    let is_waited_for = || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks
            .lines()
            .any(|line| line.contains("-> FLOCK") && line.contains(&waiting))
    };
    while !is_waited_for() {
        assert!(start.elapsed() < TIMEOUT, "nobody waits for the lock");
        std::thread::sleep(Duration::from_millis(5));
    }
}

ferrule_testkit::test! {
    /// If the lock file is replaced while a verb waits for it, the verb takes the lock of the new
    /// file.
    fn a_replaced_lock_is_taken_anew(host) {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        pool.add("c1");
        let lock = pool.folder().join("lock");
        let old = File::open(&lock).unwrap();
        old.lock().unwrap();
        let running = pool.ours("c2").verb("ADD").start();
        await_waiting_for(&old);
        let aside = pool.folder().join("lock.new");
        let new = File::create_new(&aside).unwrap();
        new.lock().unwrap();
        fs::rename(&aside, &lock).unwrap();
        old.unlock().unwrap();
        await_waiting_for(&new);
        assert_eq!(pool.reservations().len(), 1);
        new.unlock().unwrap();
        running.wait().succeeds();
        assert_eq!(pool.reservations().len(), 2);
    }
}

ferrule_testkit::test! {
    /// Only root can open the lock, also one that the Go plugin created.
    fn only_root_can_open_the_lock(host, user in ["65534:65534", "65534:0"]) needs [Tool("setpriv")] {
        let pool = Pool::of_subnet(host, "10.1.2.0/24");
        let (uid, gid) = user.split_once(':').unwrap();
        let lock = pool.folder().join("lock");
        let words = ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", "cat", lock.to_str().unwrap()];
        pool.add("c1");
        host.exec(words).fails();
        // Created as the Go plugins do.
        fs::set_permissions(pool.folder(), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&lock, Permissions::from_mode(0o750)).unwrap();
        pool.ours("c1").check().succeeds();
        assert_eq!(pool.mode("lock"), 0o600);
        host.exec(words).fails();
    }
}

ferrule_testkit::test! {
    /// Named pipes in place of the folder's files: every verb ends.
    fn pipes_in_the_folder_do_not_block(host, name in ["lock", "last_reserved_ip.0", "10.1.2.2"]) needs [Tool("mkfifo")] {
        let pool = Pool::of_subnet(host, "10.1.2.0/24").with("cni.dev/valid-attachments", json!([]));
        fs::create_dir_all(pool.folder()).unwrap();
        host.exec(["mkfifo", pool.folder().join(name).to_str().unwrap()]).succeeds();
        for verb in ["STATUS", "ADD", "CHECK", "DEL", "GC"] {
            let outcome = pool.ours("c1").verb(verb).run();
            let cursor = name.starts_with("last") && verb == "ADD";
            if cursor || name.starts_with("last") && verb == "CHECK" {
                outcome.fails();
            } else {
                outcome.succeeds();
            }
        }
    }
}
