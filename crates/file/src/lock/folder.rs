//! The folder of lock files that only root can open.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open as open_path, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::geteuid;

use super::LockError;
use crate::create_private_folder;

/// Where the lock files are.
pub const FOLDER: &str = "/run/cni/locks";

/// Opens a file of the folder; creates folder and file if they are missing.
pub(super) fn open(path: &Path) -> Result<File, LockError> {
    let failed = |source: io::Error| LockError::Open {
        path: path.to_owned(),
        source,
    };
    let folder = match open_folder() {
        Err(Errno::ENOENT) => {
            create_private_folder(Path::new(FOLDER)).map_err(failed)?;
            open_folder()
        }
        outcome => outcome,
    };
    let folder = folder.map_err(|errno| failed(errno.into()))?;
    if !is_for_root_alone(&folder).map_err(|errno| failed(errno.into()))? {
        return Err(LockError::Exposed {
            path: FOLDER.into(),
        });
    }
    let name = path.file_name().unwrap_or_default();
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let opened = openat(&folder, name, flags, Mode::S_IRUSR | Mode::S_IWUSR);
    opened.map(File::from).map_err(|errno| failed(errno.into()))
}

/// Opens the folder; a symbolic link in its place is not followed.
fn open_folder() -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    open_path(FOLDER, flags, Mode::empty())
}

/// Whether the folder belongs to the user of this process and nobody else can enter it.
fn is_for_root_alone(folder: &OwnedFd) -> Result<bool, Errno> {
    let found = fstat(folder)?;
    let others = Mode::from_bits_truncate(found.st_mode) & (Mode::S_IRWXG | Mode::S_IRWXO);
    Ok(found.st_uid == geteuid().as_raw() && others.is_empty())
}
