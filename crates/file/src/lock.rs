//! Locks between processes: flock(2), as other implementations of the same on-disk formats use it.
//!
//! Every process that can open a file can lock it, and a stopped process keeps its locks. So the lock
//! files of this suite are in a folder that only root can enter, and every wait has a deadline. The
//! error names the process that holds the lock.

mod folder;
mod owner;

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use thiserror::Error;

use crate::os_text::io_text;
pub use folder::FOLDER;
pub use owner::LockOwner;

/// Deadline of a wait for a lock.
pub const WAIT: Duration = Duration::from_secs(30);

/// The network namespace of the calling thread.
const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// Stack of the waiting thread in bytes; it makes one system call.
const STACK: usize = 64 << 10;

/// A lock on a file, held until this value is dropped or the process ends.
#[derive(Debug)]
pub struct FileLock {
    /// Closing the file releases the lock.
    file: Arc<File>,
    path: PathBuf,
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
    /// Users other than root can write to the folder of the lock file.
    #[error("lock folder {path:?} is not for root alone: remove it")]
    Exposed {
        /// The folder.
        path: PathBuf,
    },
    /// The kernel refused the lock.
    #[error("cannot lock {path:?}: {}", io_text(.source))]
    Lock {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Another process held the lock until the deadline.
    #[error("waited {} s for the lock on {path:?}{}", .wait.as_secs(), held_by(holder.as_ref()))]
    Held {
        /// The file.
        path: PathBuf,
        /// The deadline.
        wait: Duration,
        /// The process that holds the lock, if it was found.
        holder: Option<LockOwner>,
    },
}

impl LockError {
    /// Whether the deadline passed, so that a later try may succeed.
    pub fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. })
    }
}

/// The holder, for the end of a message: `, held by NAME (process 7)`; empty without one.
pub fn held_by(holder: Option<&LockOwner>) -> String {
    holder.map_or_else(String::new, |holder| format!(", held by {holder}"))
}

impl FileLock {
    /// Takes the lock of the calling thread's network namespace, waiting at most [`WAIT`]. It
    /// serializes changes of the namespace's rulesets that take several steps.
    ///
    /// Child processes inherit the lock: a tool that outlives a killed plugin holds it until it ends.
    pub fn of_namespace() -> Result<Self, LockError> {
        let namespace = fs::metadata(NAMESPACE).map_err(|source| LockError::Open {
            path: NAMESPACE.into(),
            source,
        })?;
        let name = format!("netns-{}", namespace.ino());
        let lock = Self::named(&name, WAIT)?;
        let inherited = fcntl(&*lock.file, FcntlArg::F_SETFD(FdFlag::empty()));
        inherited.map_err(|errno| LockError::Lock {
            path: Path::new(FOLDER).join(name),
            source: errno.into(),
        })?;
        Ok(lock)
    }

    /// Takes the lock of this name, which must be a valid file name, waiting at most `wait`. The file is
    /// in [`FOLDER`] and stays.
    pub fn named(name: &str, wait: Duration) -> Result<Self, LockError> {
        let path = Path::new(FOLDER).join(name);
        loop {
            let lock = Self::take(folder::open(&path)?, &path, wait)?;
            // If the file was removed meanwhile, the lock is on a file that no other process finds.
            let found = lock.file.metadata().map_err(|source| LockError::Lock {
                path: path.clone(),
                source,
            })?;
            if found.nlink() > 0 {
                return Ok(lock);
            }
        }
    }

    /// Removes the file, for a lock whose name will not be used again. A process that waits for it
    /// notices that and locks a new file.
    pub fn unlink(&self) {
        // A file that stays is harmless.
        let _ = fs::remove_file(&self.path);
    }

    /// Locks an open file, waiting at most `wait`. `path` is for messages.
    pub fn take(file: File, path: &Path, wait: Duration) -> Result<Self, LockError> {
        let file = Arc::new(file);
        let failed = |source| LockError::Lock {
            path: path.to_owned(),
            source,
        };
        match file.try_lock() {
            Ok(()) => {
                return Ok(Self {
                    file,
                    path: path.to_owned(),
                });
            }
            Err(fs::TryLockError::WouldBlock) => {}
            Err(fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        if wait_for(&file, wait).map_err(failed)? {
            return Ok(Self {
                file,
                path: path.to_owned(),
            });
        }
        Err(LockError::Held {
            path: path.to_owned(),
            wait,
            holder: LockOwner::of(&file),
        })
    }
}

/// Takes the lock; `false` if another process still holds it after `wait`.
///
/// A thread waits, as flock(2) has no deadline: the kernel queues it, whereas polling would miss the
/// lock while others queue. A thread that is left waiting closes the file as soon as it gets the lock.
fn wait_for(file: &Arc<File>, wait: Duration) -> io::Result<bool> {
    let (done, outcome) = mpsc::sync_channel(1);
    let waiting = Arc::clone(file);
    thread::Builder::new().stack_size(STACK).spawn(move || {
        let locked = loop {
            match waiting.lock() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        drop(waiting);
        // Fails after the deadline, when nobody receives any more.
        let _ = done.send(locked);
    })?;
    match outcome.recv_timeout(wait) {
        Ok(locked) => locked.map(|()| true),
        Err(RecvTimeoutError::Timeout) => Ok(false),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the waiting thread ended")),
    }
}
