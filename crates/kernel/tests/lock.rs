//! Locks between processes (here: between open files, which is the same to flock).

use crate::lab;
use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use ferrule_kernel::FileLock;

/// Whether somebody holds the lock of the thread's namespace.
fn namespace_is_locked() -> bool {
    let file = File::open("/proc/thread-self/ns/net").unwrap();
    file.try_lock().is_err()
}

#[test]
fn the_lock_of_a_namespace_concerns_that_namespace_alone() {
    lab::private();
    assert!(!namespace_is_locked());
    let held = FileLock::of_namespace().unwrap();
    assert!(namespace_is_locked());
    lab::another()
        .run(|| {
            assert!(!namespace_is_locked());
            FileLock::of_namespace().unwrap();
        })
        .unwrap();
    drop(held);
    assert!(!namespace_is_locked());
}

#[test]
fn a_child_holds_the_lock_of_the_namespace_until_it_ends() {
    lab::private();
    let held = FileLock::of_namespace().unwrap();
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    drop(held);
    assert!(namespace_is_locked());
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(!namespace_is_locked());
}

#[test]
fn a_lock_excludes_others_until_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let held = FileLock::open_exclusive(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(FileLock::try_exclusive(&path).unwrap().is_none());
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            FileLock::open_exclusive(&path).unwrap();
            send.send("waiter").unwrap();
        });
        send.clone().send("holder").unwrap();
        drop(held);
    });
    assert_eq!(
        receive.iter().take(2).collect::<Vec<_>>(),
        ["holder", "waiter"]
    );
    assert!(FileLock::try_exclusive(&path).unwrap().is_some());
}

#[test]
fn a_lock_in_a_missing_folder_says_so() {
    let error = FileLock::open_exclusive("/no/such/folder/lock".as_ref()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot open lock file \"/no/such/folder/lock\": no such file or directory (os error 2)"
    );
}
