//! Locks between processes: flock(2), which other implementations of the same on-disk formats use
//! as well.
//!
//! Whoever can open a file can lock it, and a process that is stopped keeps its locks. So the
//! files of this suite are in a folder that only root can look into, and every wait ends: the
//! error then names the process that holds the lock.

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

/// How long a lock is waited for.
pub const WAIT: Duration = Duration::from_secs(30);

/// The network namespace of the calling thread.
const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// What the thread that waits needs: it calls one function of the kernel.
const STACK: usize = 64 << 10;

/// A lock held on a file until this value is dropped, or the process ends.
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
    /// Others than root can put files where the lock file is.
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
    /// Somebody else held the lock all the time.
    #[error("waited {} s for the lock on {path:?}{}", .wait.as_secs(), held_by(holder.as_ref()))]
    Held {
        /// The file.
        path: PathBuf,
        /// How long was waited.
        wait: Duration,
        /// Who holds the lock, if it could be found out.
        holder: Option<LockOwner>,
    },
}

impl LockError {
    /// Whether the lock was waited for in vain, so that another try later may succeed.
    pub fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. })
    }
}

/// For the end of a message about a lock.
pub fn held_by(holder: Option<&LockOwner>) -> String {
    holder.map_or_else(String::new, |holder| format!(", held by {holder}"))
}

impl FileLock {
    /// Waits, at most [`WAIT`], until nobody else holds the lock of the network namespace the
    /// calling thread is in, which excludes whoever changes the same rulesets by several steps.
    ///
    /// Processes started meanwhile inherit the lock: a tool that outlives a killed plugin still
    /// holds it until its work is done.
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

    /// Waits for the lock of a name, which is to be fit for a file. The file is in [`FOLDER`] and
    /// stays.
    pub fn named(name: &str, wait: Duration) -> Result<Self, LockError> {
        let path = Path::new(FOLDER).join(name);
        loop {
            let lock = Self::take(folder::open(&path)?, &path, wait)?;
            // Whoever clears the folder leaves this lock behind on a file that nobody else finds.
            let found = lock.file.metadata().map_err(|source| LockError::Lock {
                path: path.clone(),
                source,
            })?;
            if found.nlink() > 0 {
                return Ok(lock);
            }
        }
    }

    /// Removes the file, for a lock of a name that will not come again. Whoever waits for it notices,
    /// and takes the lock on a new file.
    pub fn unlink(&self) {
        // One that stays does no harm.
        let _ = fs::remove_file(&self.path);
    }

    /// Waits until nobody else holds a lock on an open file. `path` is for messages.
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

/// Takes the lock; `false` if it is still held by others after `wait`.
///
/// A thread does the waiting, as flock(2) knows no deadline: the kernel wakes it as soon as the
/// lock is free, which asking again and again would miss while others wait in line. One that is
/// left waiting holds the lock for the moment between getting and closing it, if it ever gets it.
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
        // Nobody listens any more once the time is up.
        let _ = done.send(locked);
    })?;
    match outcome.recv_timeout(wait) {
        Ok(locked) => locked.map(|()| true),
        Err(RecvTimeoutError::Timeout) => Ok(false),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the wait was broken off")),
    }
}
