//! Locks on files between processes: flock(2), which other implementations of the same on-disk
//! formats use as well.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use thiserror::Error;

use crate::os_error::io_text;

/// The network namespace of the calling thread.
const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// A lock held on a file until this value is dropped, or the process ends.
#[derive(Debug)]
pub struct FileLock {
    /// Closing the file releases the lock.
    _file: File,
}

/// Why a file could not be locked.
#[derive(Debug, Error)]
pub enum LockError {
    /// The file could not be opened or created.
    #[error("cannot open lock file {path:?}: {}", io_text(.source))]
    Open {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel refused the lock.
    #[error("cannot lock {path:?}: {}", io_text(.source))]
    Lock {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl FileLock {
    /// Opens the file, creating it for its owner alone when missing, and waits until nobody else
    /// holds a lock on it.
    pub fn open_exclusive(path: &Path) -> Result<Self, LockError> {
        let file = open(path)?;
        wait_for(&file).map_err(|source| LockError::Lock {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { _file: file })
    }

    /// Waits until nobody else holds the lock of the network namespace the calling thread is in,
    /// which excludes whoever changes the same rulesets by several steps. It leaves no file.
    ///
    /// Processes started meanwhile inherit the lock: a tool that outlives a killed plugin still
    /// holds it until its work is done.
    pub fn of_namespace() -> Result<Self, LockError> {
        let path = Path::new(NAMESPACE);
        let file = File::open(path).map_err(|source| LockError::Open {
            path: path.to_owned(),
            source,
        })?;
        let failed = |source| LockError::Lock {
            path: path.to_owned(),
            source,
        };
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|errno| failed(errno.into()))?;
        wait_for(&file).map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// As [`FileLock::open_exclusive`] without waiting: `None` when somebody else holds a lock.
    pub fn try_exclusive(path: &Path) -> Result<Option<Self>, LockError> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(LockError::Lock {
                path: path.to_owned(),
                source,
            }),
        }
    }
}

/// Takes the lock, whatever signals come meanwhile.
fn wait_for(file: &File) -> io::Result<()> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

fn open(path: &Path) -> Result<File, LockError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| LockError::Open {
            path: path.to_owned(),
            source,
        })
}
