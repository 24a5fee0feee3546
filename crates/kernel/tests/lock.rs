//! Locks between processes (here: between open files, which is the same to flock).

#![cfg(test)]

use std::os::unix::fs::PermissionsExt as _;

use ferrule_kernel::FileLock;

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
