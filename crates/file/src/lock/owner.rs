//! The process that holds a lock.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::stat::{major, minor};

/// Deadline of the search through the open files of all processes.
const SEARCH: Duration = Duration::from_millis(500);

/// A process that has a file open and locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockOwner {
    /// Its process id, in the caller's pid namespace.
    pub process: u32,
    /// Its name (`comm`), escaped.
    pub name: String,
    /// Whether it is stopped, so that it does not release the lock.
    pub is_stopped: bool,
}

impl fmt::Display for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stopped = if self.is_stopped { ", stopped" } else { "" };
        write!(f, "{} (process {}{stopped})", self.name, self.process)
    }
}

impl LockOwner {
    /// The process that holds the lock on the file of this path, if any.
    pub fn at(path: &Path) -> Option<Self> {
        // Not opened, which may have effects: device and inode suffice.
        Self::of_file(&FileId::of(&fs::metadata(path).ok()?))
    }

    /// The process that holds the lock on an open file, if any.
    pub(super) fn of(file: &File) -> Option<Self> {
        Self::of_file(&FileId::of(&file.metadata().ok()?))
    }

    fn of_file(file: &FileId) -> Option<Self> {
        let locks = read(Path::new("/proc/locks"))?;
        let (process, file) = find_lock(&locks, file)?;
        // The process that took the lock may have ended, with a child that inherited it.
        let owner = if has_locked(process, file) {
            None
        } else {
            find_owner(file)
        };
        Self::named(owner.unwrap_or(process))
    }

    /// Reads proc(5) `stat`: id, name in parentheses, state.
    fn named(process: u32) -> Option<Self> {
        let text = read(Path::new(&format!("/proc/{process}/stat")))?;
        let (before, behind) = text.rsplit_once(')')?;
        let (_, name) = before.split_once('(')?;
        Some(Self {
            process,
            name: name.escape_debug().to_string(),
            is_stopped: behind.trim_start().starts_with(['T', 't']),
        })
    }
}

/// Device and inode of a file.
#[derive(Debug)]
struct FileId {
    /// As proc(5) `locks` prints it: `fe:00:5622032`.
    text: String,
    /// The inode alone, for file systems whose device in stat(2) differs from that of the lock table,
    /// as btrfs.
    ending: String,
}

impl FileId {
    fn of(found: &fs::Metadata) -> Self {
        let (device, inode) = (found.dev(), found.ino());
        Self {
            text: format!("{:02x}:{:02x}:{inode}", major(device), minor(device)),
            ending: format!(":{inode}"),
        }
    }
}

/// The process that took the lock on a file, and the file as proc(5) `locks` names it:
/// `1: FLOCK  ADVISORY  WRITE 28154 00:27:2 0 EOF`.
fn find_lock<'a>(locks: &'a str, file: &FileId) -> Option<(u32, &'a str)> {
    let entries = || locks.lines().filter_map(process_and_file);
    let exact = entries().find(|(_, found)| *found == file.text);
    exact.or_else(|| entries().find(|(_, found)| found.ends_with(&file.ending)))
}

fn process_and_file(line: &str) -> Option<(u32, &str)> {
    let mut words = line.split_whitespace().skip(1);
    // An entry of a waiting process has an arrow in front.
    if words.next()? != "FLOCK" {
        return None;
    }
    // A process that has ended is listed as 0 or -1.
    Some((words.nth(2)?.parse().unwrap_or(0), words.next()?))
}

/// Searches the open files of all processes for the lock on a file, named as in the lock table.
fn find_owner(file: &str) -> Option<u32> {
    let end = Instant::now() + SEARCH;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.find(|process| Instant::now() < end && has_locked(*process, file))
}

/// Whether a process has the locked file open, by proc(5) `fdinfo`, which names files as the lock
/// table does. Inode numbers alone are not unique across file systems.
fn has_locked(process: u32, file: &str) -> bool {
    let files = fs::read_dir(format!("/proc/{process}/fdinfo"));
    let mut files = files.into_iter().flatten().flatten();
    files.any(|open| {
        let text = read(&open.path()).unwrap_or_default();
        let mut locks = text.lines().filter_map(|line| line.strip_prefix("lock:"));
        locks
            .any(|line| process_and_file(line.trim_start()).is_some_and(|(_, found)| found == file))
    })
}

fn read(path: &Path) -> Option<String> {
    let bytes = crate::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str, ending: &str) -> FileId {
        FileId {
            text: text.to_owned(),
            ending: ending.to_owned(),
        }
    }

    #[test]
    fn the_lock_table_is_read_by_device_and_inode() {
        let locks = "1: FLOCK  ADVISORY  WRITE 11 00:27:2 0 EOF\n\
                     1: -> FLOCK  ADVISORY  WRITE 12 00:28:2 0 EOF\n\
                     2: POSIX  ADVISORY  READ 13 00:28:2 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 14 00:28:2 0 EOF\n\
                     \n4: FLOCK";
        let find = |text, ending| find_lock(locks, &numbers(text, ending));
        assert_eq!(find("00:27:2", ":2"), Some((11, "00:27:2")));
        assert_eq!(find("00:28:2", ":2"), Some((14, "00:28:2")));
        assert_eq!(find("00:29:2", ":2"), Some((11, "00:27:2")));
        assert_eq!(find("00:29:27", ":27"), None);
    }

    #[test]
    fn the_holder_of_a_lock_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let file = File::create(&path).unwrap();
        assert_eq!(LockOwner::at(&path), None);
        file.lock().unwrap();
        let holder = LockOwner::at(&path).unwrap();
        assert_eq!(holder.process, std::process::id());
        assert!(!holder.name.is_empty() && !holder.is_stopped);
        assert_eq!(LockOwner::at(&folder.path().join("none")), None);
    }

    #[test]
    fn a_lock_is_found_among_the_open_files_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("lock")).unwrap();
        file.lock().unwrap();
        let numbers = FileId::of(&file.metadata().unwrap());
        let locks = read(Path::new("/proc/locks")).unwrap();
        let (_, file) = find_lock(&locks, &numbers).unwrap();
        assert_eq!(find_owner(file), Some(std::process::id()));
        assert_eq!(find_owner("00:00:0"), None);
    }
}
