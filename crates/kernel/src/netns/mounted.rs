//! Network namespaces that are mounted, so that they outlive the process that created them.

use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::unlink;

use super::{NamespaceGuard, Netns, NetnsError, current_path};

impl Netns {
    /// Creates an empty namespace and mounts it on a new file at `path`, whose folder must exist. The
    /// namespace of the calling thread does not change.
    ///
    /// Nothing is left on failure. A killed process may leave a plain file or the mount;
    /// [`Netns::unmount`] removes either.
    pub fn create_mounted(path: &Path) -> Result<Self, NetnsError> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        open(path, flags, Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(NetnsError::at(path, "create a file for"))?;
        mount_new(path)
            .and_then(|()| Self::open(path))
            .inspect_err(|_| {
                // The first error is returned.
                let _ = Self::unmount(path);
            })
    }

    /// Unmounts the namespace at `path` and removes the file; `false` if there was none.
    ///
    /// The namespace ends when no process is in it and no file of it is open.
    pub fn unmount(path: &Path) -> Result<bool, NetnsError> {
        match umount2(path, MntFlags::MNT_DETACH) {
            // EINVAL: a plain file.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(errno) => return Err(NetnsError::at(path, "unmount")(errno)),
        }
        match unlink(path) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(NetnsError::at(path, "remove the file of")(errno)),
        }
    }
}

fn mount_new(path: &Path) -> Result<(), NetnsError> {
    let home = Netns::current()?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(NetnsError::at(path, "create"))?;
    let guard = NamespaceGuard {
        home: &home,
        over: false,
    };
    let nothing: Option<&str> = None;
    let mounted = mount(
        Some(current_path()),
        path,
        nothing,
        MsFlags::MS_BIND,
        nothing,
    );
    guard.end().map_err(NetnsError::at(path, "leave"))?;
    mounted.map_err(NetnsError::at(path, "mount"))
}
