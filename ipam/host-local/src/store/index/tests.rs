use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;

use super::*;

/// A network's folder, and the folder of the indexes.
struct TestFolder(tempfile::TempDir);

impl TestFolder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> File {
        File::open(self.0.path()).unwrap()
    }

    fn index(&self) -> PathBuf {
        self.0.path().join("run/host-local/index")
    }

    /// Makes the place of the index, so that making the index does not change the folder.
    fn with_run_folder(self) -> Self {
        create_folder(self.index().parent().unwrap()).unwrap();
        self
    }

    fn build(&self, entries: Vec<Entry>) -> Index {
        let state = renew_state(&self.folder()).unwrap();
        Index::build(&self.index(), state, entries).unwrap()
    }

    fn open(&self) -> Option<Index> {
        Index::open(&self.index(), &self.folder())
    }
}

/// Containers with many addresses each.
fn held(container: u8, address: u8) -> (String, IpAddr) {
    let v4 = std::net::Ipv4Addr::new(10, 0, 0, address).into();
    let v6 = std::net::Ipv6Addr::from(u128::from(address) << 100 | 2).into();
    let address = if address.is_multiple_of(2) { v4 } else { v6 };
    (format!("c{container}"), address)
}

fn read(index: &Index, container: &str) -> BTreeSet<IpAddr> {
    let found: Vec<IpAddr> = index.addresses(container).unwrap();
    let set: BTreeSet<IpAddr> = found.iter().copied().collect();
    assert_eq!(set.len(), found.len(), "an address twice");
    set
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u8),
    Remove(u8, u8),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..6u8, 0..60u8).prop_map(|(container, address)| Step::Insert(container, address)),
        4 => (0..6u8, 0..60u8).prop_map(|(container, address)| Step::Remove(container, address)),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_tells_what_a_set_tells(steps in steps()) {
        let data = TestFolder::new().with_run_folder();
        let mut model = BTreeSet::new();
        let mut index = data.build(Vec::new());
        for step in steps {
            match step {
                // The store adds an entry only when it has made the file.
                Step::Insert(container, address) => {
                    let (id, address) = held(container, address);
                    if model.insert((id.clone(), address)) {
                        index.insert(entry(&id, address)).unwrap();
                    }
                }
                Step::Remove(container, address) => {
                    let (id, address) = held(container, address);
                    model.remove(&(id.clone(), address));
                    index.remove(entry(&id, address)).unwrap();
                }
                Step::Reopen => {
                    index.settle(&data.folder()).unwrap();
                    index = data.open().unwrap();
                }
            }
        }
        for container in 0..7 {
            let (id, _) = held(container, 0);
            let of_id = model.iter().filter(|(other, _)| *other == id);
            let expected: BTreeSet<IpAddr> = of_id.map(|(_, address)| *address).collect();
            prop_assert_eq!(read(&index, &id), expected);
        }
    }

    #[test]
    fn damage_never_gives_a_wrong_answer(
        entries in prop::collection::btree_set((0..6u8, 0..60u8), 0..60),
        damage in prop::collection::vec((0..=BUCKETS, 0..400u64, any::<u8>()), 1..400),
        length in prop::option::of(0..=(1 + BUCKETS) * PLACE),
    ) {
        let data = TestFolder::new().with_run_folder();
        let entries: Vec<(String, IpAddr)> = entries.into_iter().map(|(c, a)| held(c, a)).collect();
        let index = data.build(entries.iter().map(|(id, address)| entry(id, *address)).collect());
        for (bucket, at, byte) in damage {
            index.file.write_all_at(&[byte], bucket * PLACE + at).unwrap();
        }
        if let Some(length) = length {
            index.file.set_len(length).unwrap();
        }
        // Damage may by chance write what stood there.
        let Some(index) = data.open() else { return Ok(()) };
        for container in 0..6 {
            let (id, _) = held(container, 0);
            if let Ok(found) = index.addresses(&id) {
                let of_id = entries.iter().filter(|(other, _)| *other == id);
                let expected: BTreeSet<IpAddr> = of_id.map(|(_, address)| *address).collect();
                prop_assert_eq!(found.into_iter().collect::<BTreeSet<IpAddr>>(), expected);
            }
        }
    }
}

#[test]
fn what_has_no_room_is_an_error_and_changes_nothing() {
    let data = TestFolder::new().with_run_folder();
    let address = |number: usize| std::net::Ipv4Addr::from(u32::try_from(number).unwrap()).into();
    let most = usize::try_from(PLACE - HEAD).unwrap() / size_of::<Entry>();
    let many = (0..most)
        .map(|number| entry("c1", address(number)))
        .collect();
    let index = data.build(many);
    assert!(index.insert(entry("c1", address(most))).is_err());
    assert_eq!(index.addresses("c1").unwrap().len(), most);
}

#[test]
fn every_state_differs_from_the_one_before_and_from_the_present() {
    let data = TestFolder::new();
    let mut seen = BTreeSet::new();
    for number in 0..50 {
        let state = renew_state(&data.folder()).unwrap();
        assert!(seen.insert(state));
        assert_eq!(state_of(&data.folder()).unwrap(), state);
        fs::write(data.0.path().join(number.to_string()), "").unwrap();
        assert!(seen.insert(state_of(&data.folder()).unwrap()));
    }
}

#[test]
fn times_that_were_set_back_are_no_known_state() {
    let data = TestFolder::new().with_run_folder();
    drop(data.build(vec![entry("c1", "10.0.0.2".parse().unwrap())]));
    assert!(data.open().is_some());
    let modified = data.folder().metadata().unwrap().modified().unwrap();
    // The kernel's clock for files ticks every few milliseconds.
    std::thread::sleep(Duration::from_millis(30));
    data.folder().set_modified(modified).unwrap();
    let after = data.folder().metadata().unwrap().modified().unwrap();
    assert_eq!(after, modified);
    assert!(data.open().is_none());
}

#[test]
fn the_index_is_for_its_owner_alone() {
    let data = TestFolder::new();
    drop(data.build(Vec::new()));
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&data.index()), 0o600);
    assert_eq!(mode(data.index().parent().unwrap()), 0o700);
}
