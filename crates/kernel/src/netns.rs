//! Network namespaces: open, compare, run code inside, create mounted ones.

mod mounted;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{FsType, PROC_SUPER_MAGIC, statfs};
use nix::unistd::{getpid, gettid};
use thiserror::Error;

use crate::syscall::netns_cookie;
use ferrule_file::io_text;

/// `NSFS_MAGIC` of `linux/magic.h`; before kernel 3.19 namespace files were on procfs.
const NSFS_MAGIC: FsType = FsType(0x6e73_6673);

/// An open network namespace; it lives at least as long as this value.
#[derive(Debug)]
pub struct Netns {
    file: OwnedFd,
    path: PathBuf,
}

/// Why a network namespace could not be opened, entered or left.
#[derive(Debug, Error)]
pub enum NetnsError {
    /// Nothing is at that path.
    #[error("network namespace {path:?} does not exist: no such file or directory")]
    NotFound {
        /// The path as it was given.
        path: PathBuf,
    },
    /// Another file is at that path, for example the one on which a namespace was mounted.
    #[error("{path:?} is not a network namespace")]
    NotNamespace {
        /// The path as it was given.
        path: PathBuf,
    },
    /// A step failed. After a failed `leave` the thread is still inside and must not continue.
    #[error("cannot {operation} network namespace {path:?}: {}", io_text(.source))]
    Io {
        /// The path as it was given.
        path: PathBuf,
        /// The step: `examine`, `open`, `enter`, `leave` and others.
        operation: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl NetnsError {
    /// For `map_err`.
    fn at(path: &Path, operation: &'static str) -> impl FnOnce(Errno) -> Self {
        let path = path.to_owned();
        move |errno| Self::Io {
            path,
            operation,
            source: errno.into(),
        }
    }

    /// Whether there is no namespace at the path, as opposed to one that cannot be opened.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::NotNamespace { .. })
    }
}

impl Netns {
    /// Opens the namespace of a file.
    ///
    /// The type of the file system is checked first: opening an arbitrary file may block or have
    /// effects.
    pub fn open(path: &Path) -> Result<Self, NetnsError> {
        let failed = |operation| {
            move |errno| match errno {
                Errno::ENOENT | Errno::ENOTDIR => NetnsError::NotFound {
                    path: path.to_owned(),
                },
                errno => NetnsError::at(path, operation)(errno),
            }
        };
        let system = statfs(path).map_err(failed("examine"))?.filesystem_type();
        if system != NSFS_MAGIC && system != PROC_SUPER_MAGIC {
            return Err(NetnsError::NotNamespace {
                path: path.to_owned(),
            });
        }
        Self::open_file(path).map_err(failed("open"))
    }

    /// The namespace of the calling thread.
    pub fn current() -> Result<Self, NetnsError> {
        let path = Path::new(current_path());
        Self::open_file(path).map_err(NetnsError::at(path, "open"))
    }

    fn open_file(path: &Path) -> Result<Self, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        Ok(Self {
            file: open(path, flags, Mode::empty())?,
            path: path.to_owned(),
        })
    }

    /// Device and inode number, which identify a namespace independently of its path. They are reused
    /// after its end.
    pub fn identity(&self) -> io::Result<(u64, u64)> {
        let status = fstat(&self.file)?;
        Ok((status.st_dev, status.st_ino))
    }

    /// Whether both are the same namespace.
    pub fn same_as(&self, other: &Self) -> io::Result<bool> {
        Ok(self.identity()? == other.identity()?)
    }

    /// Calls `work` with the calling thread in this namespace, then returns the thread to its own, also
    /// if `work` panics.
    ///
    /// Sockets that `work` opens stay in this namespace, and `/proc/sys/net` has its settings. `work`
    /// must not start threads, as they would stay inside.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> Result<T, NetnsError> {
        self.run_from(&Self::current()?, work)
    }

    /// As [`Netns::run`], with the calling thread's namespace `home`, if it is open already.
    pub fn run_from<T>(&self, home: &Self, work: impl FnOnce() -> T) -> Result<T, NetnsError> {
        self.enter()?;
        let guard = NamespaceGuard { home, over: false };
        let value = work();
        guard.end().map_err(NetnsError::at(&self.path, "leave"))?;
        Ok(value)
    }

    /// The open file, for requests that create or move a link in the namespace.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn enter(&self) -> Result<(), NetnsError> {
        setns(&self.file, CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
            // Some other file of procfs, or a namespace of another kind.
            Errno::EINVAL => NetnsError::NotNamespace {
                path: self.path.clone(),
            },
            errno => NetnsError::at(&self.path, "enter")(errno),
        })
    }
}

/// The namespace file of the calling thread. That of the process is used for the main thread: the
/// kernel creates the procfs entries of a thread on first use.
pub fn current_path() -> &'static str {
    if gettid() == getpid() {
        "/proc/self/ns/net"
    } else {
        "/proc/thread-self/ns/net"
    }
}

/// The number of the calling thread's namespace, which no other namespace gets until the node starts
/// again, unlike an inode number; none before kernel 5.14.
pub fn current_cookie() -> Option<u64> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None).ok()?;
    netns_cookie(socket.as_fd()).ok()
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd()
    }
}

/// Returns the thread to its namespace when dropped.
struct NamespaceGuard<'a> {
    home: &'a Netns,
    over: bool,
}

impl NamespaceGuard<'_> {
    fn end(mut self) -> Result<(), Errno> {
        self.over = true;
        setns(&self.home.file, CloneFlags::CLONE_NEWNET)
    }
}

impl Drop for NamespaceGuard<'_> {
    fn drop(&mut self) {
        // Without `end` only during a panic. A thread that cannot return must not run destructors in
        // the wrong namespace.
        if !self.over && setns(&self.home.file, CloneFlags::CLONE_NEWNET).is_err() {
            std::process::abort();
        }
    }
}
