use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

const BOOT: u64 = 7;

fn state(seconds: i64) -> Signature {
    Signature {
        device: 1,
        inode: 2,
        seconds,
        nanoseconds: 0,
    }
}

fn valid(path: &Path, signature: Signature) -> Option<Index> {
    match Index::open(path, BOOT, signature) {
        Found::Valid(index) => Some(index),
        Found::Stale(_) | Found::Nothing => None,
    }
}

/// Few containers with many addresses, some of them with neighbouring places in the table.
fn entry(container: u8, address: u16) -> Entry {
    let address: IpAddr = if address.is_multiple_of(2) {
        Ipv4Addr::from(u32::from(address)).into()
    } else {
        Ipv6Addr::from(u128::from(address) << 100).into()
    };
    let key = match container {
        // At the end of the table, so that searches go round.
        0..8 => MIN_CAPACITY * 1000 - 1 - u64::from(container) % 2,
        _ => fingerprint(&[container]),
    };
    Entry { key, address }
}

fn read(index: &Index, key: u64) -> BTreeSet<Entry> {
    let found = index.entries(key).unwrap();
    let set: BTreeSet<Entry> = found.iter().copied().collect();
    assert_eq!(set.len(), found.len(), "an entry twice");
    set
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u16),
    Remove(u8, u16),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..12u8, 0..400u16).prop_map(|(container, address)| Step::Insert(container, address)),
        4 => (0..12u8, 0..400u16).prop_map(|(container, address)| Step::Remove(container, address)),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 0..600)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_tells_what_a_set_tells(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let mut model = BTreeSet::new();
        let mut index = Index::build(&path, BOOT, &[]).unwrap();
        let mut seconds = 0;
        for step in steps {
            match step {
                // The store adds an entry only when it has made the file.
                Step::Insert(container, address) => {
                    let entry = entry(container, address);
                    if model.insert(entry) {
                        index.insert(entry).unwrap();
                    }
                }
                Step::Remove(container, address) => {
                    let entry = entry(container, address);
                    model.remove(&entry);
                    index.remove(entry).unwrap();
                }
                Step::Reopen => {
                    seconds += 1;
                    index.settle(state(seconds)).unwrap();
                    prop_assert!(valid(&path, state(seconds - 1)).is_none());
                    index = valid(&path, state(seconds)).unwrap();
                }
            }
        }
        for container in 0..13 {
            let key = entry(container, 0).key;
            let expected: BTreeSet<Entry> = model.iter().filter(|e| e.key == key).copied().collect();
            prop_assert_eq!(read(&index, key), expected);
        }
    }

    #[test]
    fn damage_never_gives_a_wrong_answer(
        entries in prop::collection::btree_set((0..12u8, 0..400u16), 0..120),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        length in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let entries: BTreeSet<Entry> = entries.into_iter().map(|(c, a)| entry(c, a)).collect();
        let mut index = Index::build(&path, BOOT, &entries.iter().copied().collect::<Vec<_>>()).unwrap();
        index.settle(state(1)).unwrap();
        drop(index);
        let mut bytes = fs::read(&path).unwrap();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(length) = length {
            bytes.truncate(length.index(bytes.len() + 1));
        }
        fs::write(&path, bytes).unwrap();
        let Some(index) = valid(&path, state(1)) else {
            return Ok(());
        };
        for container in 0..12 {
            let key = entry(container, 0).key;
            if let Ok(found) = index.entries(key) {
                let expected: Vec<Entry> = entries.iter().filter(|e| e.key == key).copied().collect();
                let found: BTreeSet<Entry> = found.into_iter().collect();
                prop_assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
            }
        }
    }

    #[test]
    fn any_file_can_be_opened(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        fs::write(&path, bytes).unwrap();
        prop_assert!(matches!(Index::open(&path, BOOT, state(1)), Found::Nothing));
    }
}

#[test]
fn it_is_valid_for_one_state_of_one_folder_in_one_boot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own/index");
    assert!(valid(&path, state(1)).is_none());
    let mut index = Index::build(&path, BOOT, &[entry(1, 1)]).unwrap();
    assert!(valid(&path, state(0)).is_none() && valid(&path, state(1)).is_none());
    index.settle(state(1)).unwrap();
    assert!(valid(&path, state(1)).is_some());
    for other in [
        Signature {
            device: 9,
            ..state(1)
        },
        Signature {
            inode: 9,
            ..state(1)
        },
        Signature {
            nanoseconds: 9,
            ..state(1)
        },
        state(2),
    ] {
        assert!(matches!(
            Index::open(&path, BOOT, other),
            Found::Stale(known) if known == state(1)
        ));
    }
    assert!(matches!(
        Index::open(&path, BOOT + 1, state(1)),
        Found::Stale(_)
    ));
}

#[test]
fn containers_that_come_and_go_do_not_make_it_grow() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let mut index = Index::build(&path, BOOT, &[]).unwrap();
    for number in 0..5000u32 {
        let key = fingerprint(&number.to_le_bytes());
        let entry = Entry {
            key,
            address: Ipv4Addr::from(number).into(),
        };
        index.insert(entry).unwrap();
        assert_eq!(index.entries(key).unwrap(), [entry]);
        index.remove(entry).unwrap();
        assert_eq!(index.entries(key).unwrap(), []);
    }
    assert_eq!(index.header.capacity, MIN_CAPACITY);
}

#[test]
fn it_grows_with_the_reservations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let mut index = Index::build(&path, BOOT, &[]).unwrap();
    let entry = |number: u32| Entry {
        key: fingerprint(&number.to_le_bytes()),
        address: Ipv4Addr::from(number).into(),
    };
    for number in 0..2000 {
        index.insert(entry(number)).unwrap();
    }
    index.settle(state(1)).unwrap();
    let index = valid(&path, state(1)).unwrap();
    assert!(index.header.capacity >= 4000);
    for number in 0..2000 {
        assert_eq!(index.entries(entry(number).key).unwrap(), [entry(number)]);
    }
}
