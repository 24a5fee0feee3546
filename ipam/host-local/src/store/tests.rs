use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use super::*;

/// A data folder of its own.
struct TestFolder(tempfile::TempDir);

impl TestFolder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn data_dir(&self) -> &Path {
        self.0.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data_dir().join("net").join(name)
    }

    fn store(&self) -> Store {
        self.try_store().unwrap()
    }

    fn try_store(&self) -> Result<Store, StoreError> {
        let folder = LockedFolder::create(&self.data_dir().join("net"))?;
        Ok(Store::new(folder, &self.indexes()))
    }

    /// Not beside the folder, as one of the tests removes that.
    fn indexes(&self) -> PathBuf {
        self.data_dir().join("run/indexes")
    }

    fn index(&self) -> PathBuf {
        let folder = fs::File::open(self.data_dir().join("net")).unwrap();
        index::path_of(&self.indexes(), &folder).unwrap()
    }

    fn held(&self, container: &str) -> Vec<String> {
        names(&mut self.store(), container)
    }

    /// Whether the next look-up needs no reading of everything.
    fn is_indexed(&self) -> bool {
        self.store().index.is_some()
    }

    fn reserve(&self, address: &str, container: &str) {
        let mut store = self.store();
        store.held_by(&owner(container)).unwrap();
        assert!(
            store
                .reserve(address.parse().unwrap(), &owner(container))
                .unwrap()
        );
    }
}

fn owner(container: &str) -> Owner {
    Owner::new(container, "eth0")
}

fn names(store: &mut Store, container: &str) -> Vec<String> {
    let held = store.held_by(&owner(container)).unwrap();
    let mut names: Vec<String> = held.into_iter().map(|h| h.reservation.name).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_reservation_is_found_and_released_by_the_index() {
    let data = TestFolder::new();
    data.reserve("10.0.0.2", "c1");
    data.reserve("fd00::2", "c1");
    data.reserve("10.0.0.3", "c2");
    assert!(data.is_indexed());
    assert_eq!(data.held("c1"), ["10.0.0.2", "fd00::2"]);
    assert_eq!(data.held("c3"), Vec::<String>::new());
    let mut store = data.store();
    for held in store.held_by(&owner("c1")).unwrap() {
        store.release(&held.reservation).unwrap();
    }
    drop(store);
    assert!(data.is_indexed());
    assert_eq!(data.held("c1"), Vec::<String>::new());
    assert_eq!(data.held("c2"), ["10.0.0.3"]);
}

#[test]
fn the_files_are_what_the_go_plugins_write() {
    let data = TestFolder::new();
    let mut store = data.store();
    assert!(
        store
            .reserve("10.0.0.2".parse().unwrap(), &owner("c1"))
            .unwrap()
    );
    assert!(
        !store
            .reserve("10.0.0.2".parse().unwrap(), &owner("c2"))
            .unwrap()
    );
    store
        .set_last_reserved(0, "10.0.0.2".parse().unwrap())
        .unwrap();
    drop(store);
    assert_eq!(fs::read(data.path("10.0.0.2")).unwrap(), b"c1\r\neth0");
    assert_eq!(
        fs::read(data.path("last_reserved_ip.0")).unwrap(),
        b"10.0.0.2"
    );
    assert_eq!(fs::metadata(data.path("lock")).unwrap().len(), 0);
    for (name, mode) in [
        ("10.0.0.2", 0o600),
        ("last_reserved_ip.0", 0o600),
        ("lock", 0o600),
        (".", 0o700),
    ] {
        assert_eq!(
            fs::metadata(data.path(name)).unwrap().mode() & 0o7777,
            mode,
            "{name}"
        );
    }
}

#[test]
fn a_cursor_is_read_as_it_stands() {
    let data = TestFolder::new();
    let store = data.store();
    for (text, read) in [
        ("10.0.0.2", Some("10.0.0.2")),
        ("fd00::2", Some("fd00::2")),
        ("10.0.0.2\n", None),
        (" 10.0.0.2", None),
        ("", None),
    ] {
        fs::write(data.path("last_reserved_ip.0"), text).unwrap();
        let read = read.map(|read| read.parse().unwrap());
        assert_eq!(store.last_reserved(0), read, "{text:?}");
    }
    assert_eq!(store.last_reserved(1), None);
}

#[test]
fn what_others_change_is_noticed() {
    let data = TestFolder::new();
    data.reserve("10.0.0.2", "c1");
    data.reserve("10.0.0.3", "c2");
    fs::write(data.path("10.0.0.4"), "c1\r\neth0").unwrap();
    assert!(!data.is_indexed());
    assert_eq!(data.held("c1"), ["10.0.0.2", "10.0.0.4"]);
    assert!(data.is_indexed());
    fs::remove_file(data.path("10.0.0.2")).unwrap();
    assert_eq!(data.held("c1"), ["10.0.0.4"]);
    // Rewritten in place, which changes no name.
    fs::write(data.path("10.0.0.4"), "c3").unwrap();
    assert!(data.is_indexed());
    assert_eq!(data.held("c1"), Vec::<String>::new());
    assert_eq!(data.held("c3"), ["10.0.0.4"]);
}

#[test]
fn an_index_that_is_gone_old_or_garbage_is_made_again() {
    let data = TestFolder::new();
    data.reserve("10.0.0.2", "c1");
    let old = fs::read(data.index()).unwrap();
    data.reserve("10.0.0.3", "c1");
    let sound = fs::read(data.index()).unwrap();
    for content in [
        None,
        Some(old),
        Some(vec![]),
        Some(vec![0; sound.len()]),
        Some(vec![0xff; 10_000]),
        Some(sound[..sound.len() - 1].to_vec()),
        Some(sound[..40].to_vec()),
    ] {
        match content {
            Some(content) => fs::write(data.index(), content).unwrap(),
            None => fs::remove_file(data.index()).unwrap(),
        }
        assert!(!data.is_indexed());
        assert_eq!(data.held("c1"), ["10.0.0.2", "10.0.0.3"]);
        assert!(data.is_indexed());
    }
}

#[test]
fn damaged_entries_are_not_believed() {
    let data = TestFolder::new();
    data.reserve("10.0.0.2", "c1");
    let mut bytes = fs::read(data.index()).unwrap();
    for byte in bytes.iter_mut().skip(16) {
        *byte ^= 0x55;
    }
    fs::write(data.index(), bytes).unwrap();
    assert!(data.is_indexed());
    assert_eq!(data.held("c1"), ["10.0.0.2"]);
    let mut store = data.store();
    assert_eq!(names(&mut store, "c1"), ["10.0.0.2"]);
}

#[test]
fn a_folder_made_anew_has_nothing_to_do_with_the_old_index() {
    let data = TestFolder::new();
    data.reserve("10.0.0.2", "c1");
    fs::remove_dir_all(data.data_dir().join("net")).unwrap();
    assert_eq!(data.held("c1"), Vec::<String>::new());
    data.reserve("10.0.0.9", "c1");
    assert_eq!(data.held("c1"), ["10.0.0.9"]);
}

#[test]
fn without_a_place_for_an_index_everything_works() {
    let data = TestFolder::new();
    fs::write(data.data_dir().join("run"), "a file").unwrap();
    data.reserve("10.0.0.2", "c1");
    data.reserve("10.0.0.3", "c1");
    assert!(!data.is_indexed());
    assert_eq!(data.held("c1"), ["10.0.0.2", "10.0.0.3"]);
}

#[test]
fn names_that_the_index_cannot_say_keep_it_away() {
    let data = TestFolder::new();
    data.reserve("10.0.0.2", "c1");
    fs::write(data.path("::0.0.0.9"), "c1\r\neth0").unwrap();
    fs::write(data.path("::ffff:10.0.0.8"), "c1").unwrap();
    for _ in 0..2 {
        assert_eq!(
            data.held("c1"),
            ["10.0.0.2", "::0.0.0.9", "::ffff:10.0.0.8"]
        );
        assert!(!data.is_indexed());
    }
}

#[test]
fn only_files_named_by_addresses_are_reservations() {
    let data = TestFolder::new();
    drop(data.store());
    for name in ["lock", "last_reserved_ip.0", "notes", "10.0.0"] {
        fs::write(data.path(name), "c1").unwrap();
    }
    fs::create_dir(data.path("10.0.0.7")).unwrap();
    fs::write(data.path("10.0.0.7/10.0.0.8"), "c1").unwrap();
    assert_eq!(data.held("c1"), Vec::<String>::new());
    let store = data.store();
    let taken = store.taken().unwrap();
    assert!(taken.contains("10.0.0.7".parse().unwrap()));
    assert!(!taken.contains("10.0.0.8".parse().unwrap()));
    drop(store);
    assert!(
        !data
            .store()
            .reserve("10.0.0.7".parse().unwrap(), &owner("c1"))
            .unwrap()
    );
}

#[test]
fn empty_files_can_be_taken_over() {
    let data = TestFolder::new();
    data.reserve("10.0.0.2", "c1");
    fs::write(data.path("10.0.0.3"), "").unwrap();
    fs::create_dir(data.path("10.0.0.4")).unwrap();
    let mut store = data.store();
    let mut remove = |address: &str| store.remove_if_empty(address.parse().unwrap());
    assert!(!remove("10.0.0.2").unwrap() && !remove("10.0.0.4").unwrap());
    assert!(remove("10.0.0.3").unwrap() && remove("10.0.0.9").unwrap());
    assert!(!data.path("10.0.0.3").exists());
}

#[test]
fn opening_makes_nothing() {
    let data = TestFolder::new();
    assert!(Store::open(data.data_dir(), "net").unwrap().is_none());
    assert!(
        Store::open(&data.data_dir().join("none"), "net")
            .unwrap()
            .is_none()
    );
    fs::write(data.data_dir().join("file"), "").unwrap();
    assert!(
        Store::open(&data.data_dir().join("file"), "net")
            .unwrap()
            .is_none()
    );
    assert!(Store::open(data.data_dir(), "file").unwrap().is_none());
    assert_eq!(fs::read_dir(data.data_dir()).unwrap().count(), 1);
}

#[test]
fn a_lock_removed_while_waiting_is_not_relied_on() {
    let data = TestFolder::new();
    let store = data.store();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| drop(data.store()));
        // Long enough for the other to wait for the lock, which must not matter for the outcome.
        std::thread::sleep(Duration::from_millis(50));
        fs::remove_dir_all(data.data_dir().join("net")).unwrap();
        drop(store);
        waiting.join().unwrap();
    });
    assert!(data.path("lock").exists());
}

#[test]
fn a_lock_that_cannot_be_had_is_an_error() {
    let data = TestFolder::new();
    fs::create_dir(data.data_dir().join("net")).unwrap();
    std::os::unix::fs::symlink("/nowhere/lock", data.path("lock")).unwrap();
    for error in [
        Store::create(data.data_dir(), "net").unwrap_err(),
        Store::open(data.data_dir(), "net").unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(
            text.ends_with("net/lock: the file vanishes each time"),
            "{text}"
        );
    }
}

#[test]
fn a_clock_in_the_past_does_not_confuse() {
    let data = TestFolder::new();
    data.reserve("10.0.0.2", "c1");
    fs::write(data.path("10.0.0.3"), "c1").unwrap();
    let folder = fs::File::open(data.data_dir().join("net")).unwrap();
    folder
        .set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(5))
        .unwrap();
    assert_eq!(data.held("c1"), ["10.0.0.2", "10.0.0.3"]);
}

#[test]
fn unusable_folders_are_told() {
    let data = TestFolder::new();
    check_writable(data.data_dir(), "net").unwrap();
    check_writable(&data.data_dir().join("a/b/c"), "net").unwrap();
    fs::write(data.data_dir().join("file"), "").unwrap();
    for folder in ["file", "file/below"] {
        let error = check_writable(&data.data_dir().join(folder), "net").unwrap_err();
        assert!(error.to_string().contains("not a directory"), "{error}");
    }
    assert_eq!(fs::read_dir(data.data_dir()).unwrap().count(), 1);
}
