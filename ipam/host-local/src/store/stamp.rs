//! Telling whether anybody else has changed the network's folder.
//!
//! The kernel sets a folder's time of modification to the present whenever a name is added or
//! removed. After each change of ours we set it back to a time in the year 2001 or 2002, another one
//! each time, and the index notes it. A Go plugin, an administrator or a killed plugin of ours leaves
//! the present there, which is never a noted time. Comparing plain times would not do: the clock
//! that file systems use ticks every few milliseconds, long enough for several changes.
//!
//! Not noticed: a change made without the lock during one of ours, and a file that is given to
//! another container by rewriting it in place. Go plugins do neither. What the index says is verified
//! by reading the file it names, so a stale entry does no harm; only a *missing* one would, until the
//! folder changes the next time. `touch` on the folder makes the next call read everything.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use super::index::{Signature, fingerprint};

/// 2001-09-09T01:46:40Z, in seconds since 1970.
const BEGIN: i64 = 1_000_000_000;

/// Every file system keeps at least even seconds.
const STEP: i64 = 2;

/// How many steps there are before the first one comes again.
const STEPS: i64 = 1 << 24;

/// Where the kernel tells which boot this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The present state of the folder.
pub(super) fn signature(folder: &File) -> io::Result<Signature> {
    let metadata = folder.metadata()?;
    Ok(Signature {
        device: metadata.dev(),
        inode: metadata.ino(),
        seconds: metadata.mtime(),
        nanoseconds: metadata.mtime_nsec(),
    })
}

/// Gives the folder a state that no index knows, where `previous` is what the index on disk knows.
pub(super) fn renew(folder: &File, previous: Option<Signature>) -> io::Result<Signature> {
    let steps = previous.map_or(0, |previous| {
        previous.seconds.wrapping_sub(BEGIN) / STEP + 1
    });
    let seconds = BEGIN + steps.rem_euclid(STEPS) * STEP;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
    folder.set_modified(time)?;
    let signature = signature(folder)?;
    if signature.seconds == seconds && Some(signature) != previous {
        Ok(signature)
    } else {
        Err(io::Error::other("the file system does not keep times"))
    }
}

/// A number for this boot, if the kernel tells which one it is.
pub(super) fn boot() -> Option<u64> {
    fs::read(BOOT_ID).ok().map(|id| fingerprint(&id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_differs_from_the_one_before_and_from_the_present() {
        let path = tempfile::tempdir().unwrap();
        let folder = File::open(path.path()).unwrap();
        let mut previous = None;
        for number in 0..5 {
            let renewed = renew(&folder, previous).unwrap();
            assert_ne!(Some(renewed), previous);
            assert_eq!(signature(&folder).unwrap(), renewed);
            fs::write(path.path().join(number.to_string()), "").unwrap();
            assert_ne!(signature(&folder).unwrap(), renewed);
            previous = Some(renewed);
        }
    }

    #[test]
    fn steps_begin_anew_after_the_last_one() {
        let path = tempfile::tempdir().unwrap();
        let folder = File::open(path.path()).unwrap();
        let first = renew(&folder, None).unwrap();
        let last = Signature {
            seconds: BEGIN + (STEPS - 1) * STEP,
            ..first
        };
        assert_eq!(renew(&folder, Some(last)).unwrap(), first);
        let odd = Signature {
            seconds: -7,
            ..first
        };
        assert!(renew(&folder, Some(odd)).is_ok());
    }

    #[test]
    fn a_boot_has_one_number() {
        assert!(boot().is_some());
        assert_eq!(boot(), boot());
    }
}
