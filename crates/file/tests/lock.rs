//! Locks between processes, and between open files, which is the same to flock.

use std::fs::{self, File, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ferrule_file::lock::FOLDER;
use ferrule_file::{FileLock, LockError};

const SHORT: Duration = Duration::from_millis(50);

/// The lock file of the thread's namespace.
fn of_namespace() -> PathBuf {
    let inode = fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
    Path::new(FOLDER).join(format!("netns-{inode}"))
}

fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_err())
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

ferrule_testkit::test! {
    fn the_lock_of_a_namespace_concerns_that_namespace_alone(host) {
        let other = host.netns("other");
        assert!(!is_locked(&of_namespace()));
        let held = FileLock::of_namespace().unwrap();
        let ours = of_namespace();
        assert!(is_locked(&ours));
        other.inside(|| {
            assert_ne!(of_namespace(), ours);
            FileLock::of_namespace().unwrap();
        });
        drop(held);
        assert!(!is_locked(&ours));
    }
}

ferrule_testkit::test! {
    fn only_root_can_open_the_lock_of_a_namespace(_host) {
        drop(FileLock::of_namespace().unwrap());
        assert_eq!((mode(FOLDER.as_ref()), mode(&of_namespace())), (0o700, 0o600));
        // As any process that is in the namespace can.
        let namespace = File::open("/proc/thread-self/ns/net").unwrap();
        namespace.lock().unwrap();
        drop(FileLock::of_namespace().unwrap());
    }
}

ferrule_testkit::test! {
    /// `link`: a link to another folder stands in its place. `open`: others can put files there.
    /// `foreign`: it belongs to somebody else.
    fn a_folder_of_others_is_refused(_host, case in ["link", "open", "foreign"]) {
        let folder = Path::new(FOLDER);
        match case {
            "link" => {
                fs::create_dir("/run/elsewhere").unwrap();
                symlink("/run/elsewhere", folder).unwrap();
            }
            _ => fs::create_dir(folder).unwrap(),
        }
        let (mode, owner) = match case {
            "open" => (0o777, 0),
            _ => (0o700, 65534),
        };
        if case != "link" {
            fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
            std::os::unix::fs::chown(folder, Some(owner), None).unwrap();
        }
        let error = FileLock::of_namespace().unwrap_err();
        let text = error.to_string();
        if case == "link" {
            assert!(text.starts_with("cannot open lock file \"/run/cni/locks/netns-"), "{text}");
            assert_eq!(fs::read_dir("/run/elsewhere").unwrap().count(), 0);
        } else {
            assert!(matches!(error, LockError::Exposed { .. }), "{text}");
        }
    }
}

ferrule_testkit::test! {
    fn a_link_in_place_of_a_lock_file_is_not_followed(_host) {
        drop(FileLock::named("other", SHORT).unwrap());
        symlink("/run/target", Path::new(FOLDER).join("name")).unwrap();
        FileLock::named("name", SHORT).unwrap_err();
        assert!(!Path::new("/run/target").exists());
    }
}

ferrule_testkit::test! {
    fn a_child_holds_the_lock_of_the_namespace_until_it_ends(_host) {
        let held = FileLock::of_namespace().unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        drop(held);
        let path = of_namespace();
        let file = File::open(&path).unwrap();
        let error = FileLock::take(file, &path, SHORT).unwrap_err();
        let expected = format!("held by cat (process {})", child.id());
        assert!(error.to_string().ends_with(&expected), "{error}");
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!is_locked(&path));
    }
}

ferrule_testkit::test! {
    fn a_child_that_inherited_a_lock_is_named_when_its_parent_is_gone(_host) {
        drop(FileLock::named("name", SHORT).unwrap());
        let path = Path::new(FOLDER).join("name");
        let script = "exec 9<$0; flock 9; echo held; read line";
        let mut command = Command::new("bash");
        command.args(["-c", script]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = [0; 5];
        child.stdout.take().unwrap().read_exact(&mut line).unwrap();
        let error = FileLock::named("name", SHORT).unwrap_err();
        let expected = format!("held by bash (process {})", child.id());
        assert!(error.to_string().ends_with(&expected), "{error}");
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}

ferrule_testkit::test! {
    fn a_lock_excludes_others_until_it_is_dropped(_host) {
        let held = FileLock::named("name", SHORT).unwrap();
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    FileLock::named("name", Duration::from_secs(60)).unwrap();
                    send.send("waiter").unwrap();
                });
            }
            send.send("holder").unwrap();
            drop(held);
        });
        drop(send);
        let order: Vec<_> = receive.iter().collect();
        assert_eq!((order.len(), order[0]), (21, "holder"));
        drop(FileLock::named("name", SHORT).unwrap());
    }
}

ferrule_testkit::test! {
    fn a_wait_for_a_stopped_process_ends_and_names_it(_host) {
        drop(FileLock::named("name", SHORT).unwrap());
        let path = Path::new(FOLDER).join("name");
        let words = ["--exclusive", path.to_str().unwrap(), "sh", "-c", "kill -STOP $PPID"];
        let mut holder = Command::new("flock").args(words).spawn().unwrap();
        let stat = format!("/proc/{}/stat", holder.id());
        while !fs::read_to_string(&stat).unwrap().contains(") T ") {
            std::thread::yield_now();
        }
        let error = FileLock::named("name", SHORT).unwrap_err();
        assert!(error.is_held(), "{error}");
        let expected = format!(
            "waited 0 s for the lock on \"/run/cni/locks/name\", held by flock (process {}, stopped)",
            holder.id()
        );
        assert_eq!(error.to_string(), expected);
        holder.kill().unwrap();
        holder.wait().unwrap();
        drop(FileLock::named("name", SHORT).unwrap());
    }
}

ferrule_testkit::test! {
    /// Who waits for a file that is removed meanwhile does not get a lock that nobody else sees.
    fn a_lock_file_that_was_removed_counts_for_nothing(_host) {
        let held = FileLock::named("name", SHORT).unwrap();
        let path = Path::new(FOLDER).join("name");
        let waiter = std::thread::spawn(|| FileLock::named("name", Duration::from_secs(60)).unwrap());
        let file = format!(":{} ", path.metadata().unwrap().ino());
        let locks = || fs::read_to_string("/proc/locks").unwrap();
        let is_waiter = |line: &str| line.contains("-> FLOCK") && line.contains(&file);
        while !locks().lines().any(is_waiter) {
            std::thread::yield_now();
        }
        fs::remove_file(&path).unwrap();
        drop(held);
        let lock = waiter.join().unwrap();
        assert!(is_locked(&path));
        drop(lock);
    }
}

ferrule_testkit::test! {
    /// A file that is removed by its holder stays that holder's lock; whoever waits for it gets the lock
    /// on the next file, alone.
    fn a_removed_lock_file_is_replaced(_host) {
        let file = Path::new(FOLDER).join("passing");
        let held = FileLock::named("passing", SHORT).unwrap();
        let waiting = std::thread::spawn(|| FileLock::named("passing", Duration::from_secs(20)));
        // The waiting one has the file open.
        let times_open = || {
            let all = fs::read_dir("/proc/self/fd").unwrap().flatten();
            all.filter(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == file)).count()
        };
        while times_open() < 2 {
            std::thread::yield_now();
        }
        held.unlink();
        assert!(!file.exists());
        drop(held);
        let second = waiting.join().unwrap().unwrap();
        assert!(is_locked(&file));
        assert!(FileLock::named("passing", SHORT).unwrap_err().is_held());
        second.unlink();
        drop(second);
        assert_eq!(fs::read_dir(FOLDER).unwrap().count(), 0);
    }
}
