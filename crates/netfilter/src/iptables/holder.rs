//! Who holds the lock that keeps two iptables tools from changing the same tables.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Where the tools lock, unless the environment says otherwise.
const LOCK_FILE: &str = "/run/xtables.lock";
const LOCK_FILE_VARIABLE: &str = "XTABLES_LOCKFILE";

/// A process that has the lock file open and locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// Its number in the process namespace of the caller.
    pub process: u32,
    /// Its name.
    pub name: String,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.process)
    }
}

/// The file the tools lock.
fn lock_file() -> PathBuf {
    std::env::var_os(LOCK_FILE_VARIABLE).map_or_else(|| LOCK_FILE.into(), PathBuf::from)
}

/// Finds out who holds the lock just now.
pub(super) fn lock_holder() -> Option<LockHolder> {
    holder_of(&lock_file())
}

fn holder_of(file: &Path) -> Option<LockHolder> {
    let inode = fs::metadata(file).ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let taker = locks.lines().find_map(|line| taker(line, inode))?;
    // The process that took the lock may be gone, its lock inherited by a child.
    named(taker).or_else(|| named(heir(inode)?))
}

/// The process a line of proc(5) `locks` is about, if it holds a lock on a file:
/// `1: FLOCK  ADVISORY  WRITE 28154 00:27:2 0 EOF`.
fn taker(line: &str, inode: u64) -> Option<u32> {
    let mut words = line.split_whitespace().skip(1);
    // Somebody who waits has an arrow in front.
    if words.next()? != "FLOCK" {
        return None;
    }
    let process = words.nth(2)?.parse().ok()?;
    let found = words.next()?.rsplit(':').next()?.parse::<u64>().ok()?;
    (found == inode).then_some(process)
}

fn named(process: u32) -> Option<LockHolder> {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(LockHolder {
        process,
        name: name.trim_end().to_owned(),
    })
}

/// Looks through all open files for the lock.
fn heir(inode: u64) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.into_iter().find(|process| {
        let files = fs::read_dir(format!("/proc/{process}/fdinfo"))
            .into_iter()
            .flatten()
            .flatten();
        files
            .filter_map(|file| fs::read_to_string(file.path()).ok())
            .any(|text| {
                text.lines()
                    .filter_map(|line| line.strip_prefix("lock:"))
                    .any(|line| taker(line.trim_start(), inode).is_some())
            })
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn lines_of_the_lock_table_are_read() {
        let line = "1: FLOCK  ADVISORY  WRITE 28154 00:27:2 0 EOF";
        assert_eq!(taker(line, 2), Some(28154));
        assert_eq!(taker(line, 27), None);
        assert_eq!(
            taker("1: -> FLOCK  ADVISORY  WRITE 28155 00:27:2 0 EOF", 2),
            None
        );
        assert_eq!(taker("2: POSIX  ADVISORY  READ 1 00:27:2 0 EOF", 2), None);
        assert_eq!(taker("", 2), None);
    }

    #[test]
    fn the_holder_of_a_lock_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let file = File::create(&path).unwrap();
        assert_eq!(holder_of(&path), None);
        file.lock().unwrap();
        let holder = holder_of(&path).unwrap();
        assert_eq!(holder.process, std::process::id());
        assert!(!holder.name.is_empty());
        assert_eq!(holder_of(&folder.path().join("none")), None);
    }

    #[test]
    fn a_lock_is_found_among_the_open_files_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let file = File::create(&path).unwrap();
        file.lock().unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        assert_eq!(heir(inode), Some(std::process::id()));
    }
}
