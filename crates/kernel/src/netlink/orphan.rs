//! Whether a child process may outlive this one.
//!
//! An orphan is inherited by process 1 of its PID namespace, or by a process that asked for it
//! (`PR_SET_CHILD_SUBREAPER`). If that is an init, it collects the orphan; if it is a program that
//! does not know of orphans, each would stay as a zombie for ever. So the first orphan of a PID
//! namespace is written down, and there is no second one before that is gone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// `wait`: no process ever outlives this one. `detach`: it may.
const VARIABLE: &str = "FERRULE_REMOVAL";

/// Where the first orphan of each PID namespace is written down: lost at a restart, as they are.
const FOLDER: &str = "/run/cni/orphans";

/// What stands in place of the first orphan when it has been collected.
const COLLECTED: &[u8] = b"collected";

/// The right to leave a child process behind.
#[derive(Debug)]
pub(super) struct Permit {
    /// Where its process id has to be written, if it is the first one.
    record: Option<File>,
}

impl Permit {
    /// The right to leave one child behind, unless nobody may collect it.
    pub(super) fn get() -> Option<Self> {
        match std::env::var_os(VARIABLE) {
            Some(value) if value == "wait" => return None,
            Some(value) if value == "detach" => return Some(Self { record: None }),
            _ => {}
        }
        let namespace = fs::metadata("/proc/self/ns/pid").ok()?.ino();
        Self::by_record(&Path::new(FOLDER).join(namespace.to_string()))
    }

    /// The first one is permitted to whoever creates the record, so that there is only one.
    fn by_record(record: &Path) -> Option<Self> {
        match ferrule_file::read_own(record) {
            Ok(found) if found == COLLECTED => Some(Self { record: None }),
            Ok(found) => {
                let first = std::str::from_utf8(&found).ok()?.parse().ok();
                if first.is_some_and(is_there) {
                    return None;
                }
                let outcome = match first {
                    Some(_) => ferrule_file::write(record, COLLECTED),
                    // Whoever created it was killed, or is about to write.
                    None => fs::remove_file(record),
                };
                first.and(outcome.ok()).map(|()| Self { record: None })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let record = create(record).ok()?;
                Some(Self {
                    record: Some(record),
                })
            }
            Err(_) => None,
        }
    }

    /// Tells which process was left behind.
    pub(super) fn used_by(&self, child: Pid) {
        if let Some(mut record) = self.record.as_ref() {
            // An empty record only means that the next one waits.
            let _ = write!(record, "{child}");
        }
    }
}

fn create(record: &Path) -> io::Result<File> {
    let create = || {
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(record)
    };
    match create() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            ferrule_file::create_private_folder(record.parent().unwrap_or(record))?;
            create()
        }
        outcome => outcome,
    }
}

/// Whether the process exists, also as a zombie.
fn is_there(process: i32) -> bool {
    kill(Pid::from_raw(process), None) != Err(Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn child() -> (Child, Pid) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap());
        (child, pid)
    }

    #[test]
    fn a_second_orphan_has_to_wait_until_the_first_is_collected() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("not there yet/record");
        let (mut child, pid) = child();
        Permit::by_record(&record).unwrap().used_by(pid);
        assert!(Permit::by_record(&record).is_none());
        child.kill().unwrap();
        // A zombie by now, or soon.
        assert!(Permit::by_record(&record).is_none());
        child.wait().unwrap();
        for _ in 0..2 {
            let permit = Permit::by_record(&record).unwrap();
            permit.used_by(Pid::from_raw(1));
            assert_eq!(fs::read(&record).unwrap(), COLLECTED);
        }
    }

    #[test]
    fn a_record_that_says_nothing_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("record");
        for content in ["", "sleep", "1 2", "\u{fffd}"] {
            fs::write(&record, content).unwrap();
            assert!(Permit::by_record(&record).is_none(), "{content:?}");
            assert!(Permit::by_record(&record).is_some(), "{content:?}");
        }
    }

    #[test]
    fn a_record_that_somebody_else_made_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let (record, other) = (folder.path().join("record"), folder.path().join("other"));
        fs::write(&other, COLLECTED).unwrap();
        std::os::unix::fs::symlink(&other, &record).unwrap();
        assert!(Permit::by_record(&record).is_none());
    }
}
