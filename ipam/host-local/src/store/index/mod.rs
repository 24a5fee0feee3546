//! Which addresses a container holds, without reading every reservation.
//!
//! A hash table with open addressing in one file, keyed by the container id; finding, adding and
//! deleting an entry reads and writes a few slots, whatever the number of reservations.
//!
//! The reservation files stay the truth. An index is valid for one state of the network's folder,
//! told by the folder's [signature](super::stamp): whoever creates or removes a file there without
//! us invalidates it, and the store then builds a new one by reading all files once. It is valid
//! within one boot only, because after a loss of power any part of it may be an old one.

mod record;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

pub(super) use record::{Entry, Signature, fingerprint};
use record::{HEADER_BYTES, Header, SLOT_BYTES, Slot};

/// The smallest table, 8 KiB.
const MIN_CAPACITY: u64 = 256;

/// How many slots are read at once.
const READ_SLOTS: u64 = 16;

/// An index whose file is open.
#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    file: File,
    header: Header,
}

/// What was found in the place of an index.
#[derive(Debug)]
pub(super) enum Found {
    /// An index of the present state.
    Valid(Index),
    /// An index of this other state.
    Stale(Signature),
    /// None, or nothing that can be read as one.
    Nothing,
}

impl Index {
    /// Opens the index if it is about this state of the folder in this boot.
    pub(super) fn open(path: &Path, boot: u64, signature: Signature) -> Found {
        let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else {
            return Found::Nothing;
        };
        let mut bytes = [0; HEADER_BYTES];
        let header = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => Header::decode(&bytes),
            Err(_) => None,
        };
        let Some(header) = header else {
            return Found::Nothing;
        };
        let size = file.metadata().map(|metadata| metadata.len()).ok();
        if header.boot == boot
            && header.signature == signature
            && size == Some(end(header.capacity))
        {
            let path = path.to_owned();
            Found::Valid(Self { path, file, header })
        } else {
            Found::Stale(header.signature)
        }
    }

    /// Writes a new index in the place of the old one. It is valid for nothing until it is
    /// [settled](Index::settle).
    pub(super) fn build(path: &Path, boot: u64, entries: &[Entry]) -> io::Result<Self> {
        let count = entries.len() as u64;
        let capacity = (count * 3).next_power_of_two().max(MIN_CAPACITY);
        let mut table = vec![Slot::Empty; usize::try_from(capacity).map_err(io::Error::other)?];
        for entry in entries {
            let start = usize::try_from(entry.key % capacity).map_err(io::Error::other)?;
            let (before, behind) = table.split_at_mut(start);
            let mut search = behind.iter_mut().chain(before);
            if let Some(free) = search.find(|slot| **slot == Slot::Empty) {
                *free = Slot::Held(*entry);
            }
        }
        let mut bytes = vec![0; HEADER_BYTES];
        bytes.extend(
            (0..)
                .zip(table)
                .flat_map(|(position, slot)| slot.encode(position)),
        );
        let header = Header {
            boot,
            signature: Signature {
                device: 0,
                inode: 0,
                seconds: 0,
                nanoseconds: 0,
            },
            capacity,
            used: count,
        };
        Ok(Self {
            file: replace(path, &bytes)?,
            path: path.to_owned(),
            header,
        })
    }

    /// Declares the index valid for this state.
    pub(super) fn settle(&mut self, signature: Signature) -> io::Result<()> {
        self.header.signature = signature;
        self.file.write_all_at(&self.header.encode(), 0)
    }

    /// What it was last valid for.
    pub(super) fn signature(&self) -> Signature {
        self.header.signature
    }

    /// The entries with this key.
    pub(super) fn entries(&self, key: u64) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        self.search(key, |_, slot| {
            if let Slot::Held(entry) = slot
                && entry.key == key
            {
                found.push(entry);
            }
            None::<()>
        })?;
        Ok(found)
    }

    /// Adds an entry.
    pub(super) fn insert(&mut self, entry: Entry) -> io::Result<()> {
        if (self.header.used + 1) * 2 > self.header.capacity {
            self.rebuild()?;
        }
        let free = |position, slot| match slot {
            Slot::Held(_) => None,
            Slot::Empty | Slot::Deleted => Some((position, slot == Slot::Empty)),
        };
        let (position, was_empty) = self
            .search(entry.key, free)?
            .ok_or_else(|| damaged("no free slot"))?;
        self.header.used += u64::from(was_empty);
        self.write(position, Slot::Held(entry))
    }

    /// Deletes an entry; one that is not there is as good.
    pub(super) fn remove(&mut self, entry: Entry) -> io::Result<()> {
        let at = |position, slot| (slot == Slot::Held(entry)).then_some(position);
        let Some(position) = self.search(entry.key, at)? else {
            return Ok(());
        };
        // With nothing behind it, no search needs to pass here.
        let next = (position + 1) % self.header.capacity;
        if self.slots(next, 1)?.first() == Some(&Slot::Empty) {
            self.header.used = self.header.used.saturating_sub(1);
            self.write(position, Slot::Empty)
        } else {
            self.write(position, Slot::Deleted)
        }
    }

    /// Shows `visit` the slots where `key` can be, until it returns something.
    fn search<T>(
        &self,
        key: u64,
        mut visit: impl FnMut(u64, Slot) -> Option<T>,
    ) -> io::Result<Option<T>> {
        let capacity = self.header.capacity;
        let mut position = key % capacity;
        let mut left = capacity;
        while left > 0 {
            let count = READ_SLOTS.min(capacity - position).min(left);
            for slot in self.slots(position, count)? {
                let found = visit(position, slot);
                if found.is_some() || slot == Slot::Empty {
                    return Ok(found);
                }
                position += 1;
            }
            position %= capacity;
            left -= count;
        }
        Ok(None)
    }

    /// `count` slots from `position` on.
    fn slots(&self, position: u64, count: u64) -> io::Result<Vec<Slot>> {
        let size = usize::try_from(count).map_err(io::Error::other)? * SLOT_BYTES;
        let mut bytes = vec![0; size];
        self.file.read_exact_at(&mut bytes, end(position))?;
        (position..)
            .zip(bytes.chunks_exact(SLOT_BYTES))
            .map(|(position, bytes)| {
                Slot::decode(bytes, position).ok_or_else(|| damaged("a damaged slot"))
            })
            .collect()
    }

    fn write(&self, position: u64, slot: Slot) -> io::Result<()> {
        self.file
            .write_all_at(&slot.encode(position), end(position))
    }

    /// Makes room, and forgets deleted entries.
    fn rebuild(&mut self) -> io::Result<()> {
        let slots = self.slots(0, self.header.capacity)?;
        let held = slots.into_iter().filter_map(|slot| match slot {
            Slot::Held(entry) => Some(entry),
            Slot::Empty | Slot::Deleted => None,
        });
        let signature = self.header.signature;
        *self = Self::build(&self.path, self.header.boot, &held.collect::<Vec<_>>())?;
        self.header.signature = signature;
        Ok(())
    }
}

/// Where the slot at `position` begins, which is where a file of `position` slots ends.
const fn end(position: u64) -> u64 {
    HEADER_BYTES as u64 + position * SLOT_BYTES as u64
}

/// Puts a file with this content in the place of `path`, whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let aside = path.with_extension("new");
    let create = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)
    };
    let file = match create() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            super::create_private_folder(&aside)?;
            create()?
        }
        other => other?,
    };
    file.write_all_at(bytes, 0)?;
    fs::rename(&aside, path)?;
    Ok(file)
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
