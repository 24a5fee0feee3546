//! Network namespaces that outlive the process that made them, by a mount.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::fstat;

use super::{NamespaceGuard, Netns, NetnsError, current_path};

impl Netns {
    /// Makes an empty namespace and mounts it on a new file at `path`, whose folder must exist.
    /// The calling thread stays where it is.
    ///
    /// Nothing is left on failure. A process killed in between leaves a plain file or the mount;
    /// [`Netns::unmount`] removes either.
    pub fn create_mounted(path: &Path) -> Result<Self, NetnsError> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| failed(path, "create a file for", source))?;
        mount_new(path)
            .and_then(|()| Self::open(path))
            .inspect_err(|_| {
                // The error at hand is the one to report.
                let _ = Self::unmount(path);
            })
    }

    /// Unmounts the namespace at `path` and removes the file; `false` when nothing was there.
    ///
    /// The namespace ends when nothing else holds it: no process inside, no open file.
    pub fn unmount(path: &Path) -> Result<bool, NetnsError> {
        match umount2(path, MntFlags::MNT_DETACH) {
            // EINVAL: a plain file.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(errno) => return Err(failed(path, "unmount", errno.into())),
        }
        match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(failed(path, "remove the file of", source)),
        }
    }

    /// Device and inode number, by which a living namespace is known whatever its path. The numbers
    /// of one that has ended are given to others.
    pub fn identity(&self) -> io::Result<(u64, u64)> {
        let status = fstat(&self.file)?;
        Ok((status.st_dev, status.st_ino))
    }
}

fn mount_new(path: &Path) -> Result<(), NetnsError> {
    let home = Netns::current()?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| failed(path, "create", errno.into()))?;
    let stay = NamespaceGuard {
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
    stay.end().map_err(|errno| NetnsError::Leave {
        path: path.to_owned(),
        source: errno.into(),
    })?;
    mounted.map_err(|errno| failed(path, "mount", errno.into()))
}

fn failed(path: &Path, operation: &'static str, source: io::Error) -> NetnsError {
    NetnsError::Io {
        path: path.to_owned(),
        operation,
        source,
    }
}
