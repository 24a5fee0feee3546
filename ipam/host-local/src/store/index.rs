//! Which addresses a container holds, without reading every reservation.
//!
//! One file in memory, with an entry for each reservation in one of a few buckets, which is read
//! whole to look something up and written whole to change it: 4 kB for 10,000 reservations. The
//! unused rest of a bucket takes no memory.
//!
//! The reservation files are authoritative: an index is valid for one state of the network's folder
//! only; for any other state the store reads all files and builds a new one. The state is that of
//! the folder's times. The kernel sets the time of modification to the present whenever a
//! name is added or removed; after each change of ours it is set to another time in the past,
//! chosen at random, which a Go plugin, an administrator or a killed plugin of ours overwrites. The
//! time of the last change of the inode, which nobody can set, keeps a copy that was restored with
//! its times from passing for the original.
//!
//! Not noticed: a change made without the lock during one of ours, and a file that is given to
//! another container by rewriting it in place. Go plugins do neither. What the index says is
//! verified by reading the file it names, so only an entry that is *missing* does harm, until the
//! folder changes the next time.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::folder::create_folder;

/// First bytes of the file; the last one is the version of the format.
const MAGIC: u64 = u64::from_le_bytes(*b"ferrule\x02");

/// How many buckets there are.
const BUCKETS: u64 = 64;

/// The place of a bucket, with room for 2,700 entries; the file's first words have one as well.
const PLACE: u64 = 64 << 10;

/// A bucket begins with the number of its entries and their checksum.
const HEAD: u64 = 16;

/// A reservation: the fingerprint of the container id, and the address as an IPv6 one.
pub(super) type Entry = [u8; 24];

/// An index whose file is open. The folder's lock protects it.
#[derive(Debug)]
pub(super) struct Index {
    file: File,
}

impl Index {
    /// Opens the index, if it is about the present state of the folder.
    pub(super) fn open(path: &Path, folder: &File) -> Option<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path).ok()?;
        let present = [MAGIC, state_of(folder).ok()?];
        let is_whole = file.metadata().ok()?.len() == (1 + BUCKETS) * PLACE;
        let is_valid = is_whole && read_words(&file, 0).ok()? == present;
        is_valid.then_some(Self { file })
    }

    /// Writes a new index over an old one. It is valid if the folder is in this state still.
    pub(super) fn build(path: &Path, state: u64, mut entries: Vec<Entry>) -> io::Result<Self> {
        let create = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(true);
            options.mode(0o600).open(path)
        };
        let file = match create() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create_folder(path.parent().unwrap_or(Path::new("/")))?;
                create()?
            }
            other => other?,
        };
        // Zeros are an empty bucket.
        file.set_len((1 + BUCKETS) * PLACE)?;
        let index = Self { file };
        entries.sort_unstable_by_key(place_of);
        for bucket in entries.chunk_by(|a, b| place_of(a) == place_of(b)) {
            index.write(bucket.first().map_or(0, place_of), bucket)?;
        }
        index.declare(state)?;
        Ok(index)
    }

    /// Declares the index valid for the present content of the folder.
    pub(super) fn settle(&self, folder: &File) -> io::Result<()> {
        self.declare(renew_state(folder)?)
    }

    fn declare(&self, state: u64) -> io::Result<()> {
        let words = [MAGIC, state].map(u64::to_le_bytes);
        self.file.write_all_at(words.as_flattened(), 0)
    }

    /// The addresses of a container, and those of others whose id has the same fingerprint.
    pub(super) fn addresses(&self, container_id: &str) -> io::Result<Vec<IpAddr>> {
        let wanted = entry(container_id, IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let entries = self.bucket_of(&wanted)?;
        let of_key = entries
            .iter()
            .filter(|entry| entry.get(..8) == wanted.get(..8));
        let address = |entry: &Entry| {
            let octets = entry.last_chunk::<16>().copied().unwrap_or_default();
            IpAddr::from(octets).to_canonical()
        };
        Ok(of_key.map(address).collect())
    }

    /// Adds an entry.
    pub(super) fn insert(&self, entry: Entry) -> io::Result<()> {
        let mut entries = self.bucket_of(&entry)?;
        entries.push(entry);
        self.write(place_of(&entry), &entries)
    }

    /// Removes an entry; one that is not there is as good.
    pub(super) fn remove(&self, entry: Entry) -> io::Result<()> {
        let mut entries = self.bucket_of(&entry)?;
        entries.retain(|other| *other != entry);
        self.write(place_of(&entry), &entries)
    }

    /// The bucket that an entry belongs to.
    fn bucket_of(&self, entry: &Entry) -> io::Result<Vec<Entry>> {
        let place = place_of(entry);
        let [count, checksum] = read_words(&self.file, place)?;
        let count = usize::try_from(count.min(PLACE)).map_err(io::Error::other)?;
        let mut entries = vec![Entry::default(); count];
        let bytes = entries.as_flattened_mut();
        self.file.read_exact_at(bytes, place + HEAD)?;
        if fingerprint(bytes) == checksum {
            Ok(entries)
        } else {
            Err(io::Error::from(ErrorKind::InvalidData))
        }
    }

    fn write(&self, place: u64, entries: &[Entry]) -> io::Result<()> {
        let entries_bytes = entries.as_flattened();
        let head = [entries.len() as u64, fingerprint(entries_bytes)].map(u64::to_le_bytes);
        let bytes = [head.as_flattened(), entries_bytes].concat();
        if bytes.len() as u64 > PLACE {
            return Err(io::Error::from(ErrorKind::FileTooLarge));
        }
        self.file.write_all_at(&bytes, place)
    }
}

fn place_of(entry: &Entry) -> u64 {
    let [first, ..] = entry;
    (1 + u64::from(*first) % BUCKETS) * PLACE
}

fn read_words(file: &File, place: u64) -> io::Result<[u64; 2]> {
    let mut words = [[0; 8]; 2];
    file.read_exact_at(words.as_flattened_mut(), place)?;
    Ok(words.map(u64::from_le_bytes))
}

/// The entry of an address that a container holds.
pub(super) fn entry(container_id: &str, address: IpAddr) -> Entry {
    let octets = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };
    let key = fingerprint(container_id.as_bytes()).to_le_bytes();
    let mut entry = Entry::default();
    for (place, byte) in entry.iter_mut().zip(key.into_iter().chain(octets)) {
        *place = byte;
    }
    entry
}

/// What the times of the folder tell.
fn state_of(folder: &File) -> io::Result<u64> {
    folder.metadata().map(|found| state(&found))
}

fn state(found: &Metadata) -> u64 {
    let modified = [found.mtime(), found.mtime_nsec()];
    let changed = [found.ctime(), found.ctime_nsec()];
    let bytes = [modified, changed].map(|time| time.map(i64::to_le_bytes));
    fingerprint(bytes.as_flattened().as_flattened())
}

/// Gives the folder a state that no index knows.
pub(super) fn renew_state(folder: &File) -> io::Result<u64> {
    let chance = format!("{:?} {}", SystemTime::now(), std::process::id());
    // Before 2005, and even seconds, as every file system keeps these at least.
    let seconds = (fingerprint(chance.as_bytes()) >> 35) << 1;
    folder.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))?;
    let found = folder.metadata()?;
    if found.mtime().unsigned_abs() == seconds && found.mtime_nsec() == 0 {
        Ok(state(&found))
    } else {
        Err(io::Error::other("the file system does not keep times"))
    }
}

/// Where the index of a folder is. Paths do not count: one folder may have several.
pub(super) fn path_of(indexes: &Path, folder: &File) -> io::Result<PathBuf> {
    let found = folder.metadata()?;
    Ok(indexes.join(format!("{:x}-{:x}", found.dev(), found.ino())))
}

/// FNV-1a that begins with the length, so that nothing has zero; its bits then mixed, so that every
/// part is fit for use.
///
/// Nothing relies on two texts having two fingerprints: what the index tells is verified by reading
/// the reservation.
fn fingerprint(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.iter().fold(bytes.len() as u64, fold);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests;
