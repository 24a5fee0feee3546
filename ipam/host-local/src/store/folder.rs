//! A network's folder and its lock.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use ferrule_file::FileLock;
use ferrule_file::lock::WAIT;
use nix::fcntl::OFlag;

use super::error::StoreError;

/// The name of the lock file, shared with the Go plugins and others that clear the folder.
const LOCK: &str = "lock";

/// The mode of the lock file. A Go plugin's lets the group open it, and so lock it for ever.
const LOCK_MODE: u32 = 0o600;

/// The mode of folders: what others cannot open they cannot lock.
const FOLDER_MODE: u32 = 0o700;

/// How often the lock file may be removed while this process waits for it.
const ATTEMPTS: usize = 16;

/// A network's folder, locked until this value is dropped.
#[derive(Debug)]
pub(super) struct LockedFolder {
    /// Its path.
    pub(super) path: PathBuf,
    /// The folder itself.
    pub(super) file: File,
    /// None in a folder that nobody can change and that has no lock file.
    _lock: Option<FileLock>,
}

impl LockedFolder {
    /// Creates the folder if it is missing, and waits for the lock.
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        for _ in 0..ATTEMPTS {
            if let Some(lock) = lock(path)? {
                return Self::of(path, Some(lock));
            }
            create_folder(path).map_err(StoreError::of("create the folder", path))?;
        }
        Err(unlockable(path))
    }

    /// Waits for the lock of a folder; none if there is no such folder.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        for _ in 0..ATTEMPTS {
            match lock(path) {
                Ok(Some(lock)) => return Self::of(path, Some(lock)).map(Some),
                Ok(None) => {}
                Err(error) if error.is_read_only() => return Self::of(path, None).map(Some),
                Err(error) => return Err(error),
            }
            if !is_folder(path).map_err(StoreError::of("open the folder", path))? {
                return Ok(None);
            }
        }
        Err(unlockable(path))
    }

    fn of(path: &Path, lock: Option<FileLock>) -> Result<Self, StoreError> {
        Ok(Self {
            path: path.to_owned(),
            file: File::open(path).map_err(StoreError::of("open the folder", path))?,
            _lock: lock,
        })
    }
}

/// The lock of a folder: flock(2), as the Go plugins use, of a file that is never removed.
///
/// None if there is no folder, or if the file was removed while waiting: the next process locks
/// another file then.
fn lock(folder: &Path) -> Result<Option<FileLock>, StoreError> {
    let path = folder.join(LOCK);
    // For reading, which a read-only file system allows; with this flag the file is made as well.
    // A named pipe in its place must not block.
    let flags = OFlag::O_CREAT | OFlag::O_NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).mode(LOCK_MODE);
    let opened = options.custom_flags(flags.bits()).open(&path);
    let file = match opened {
        Err(error) if is_missing(&error) => return Ok(None),
        other => other.map_err(StoreError::of("open", &path))?,
    };
    let opened = file.metadata().map_err(StoreError::of("inspect", &path))?;
    if opened.mode() & 0o077 != 0 {
        // May fail for lack of permission; the wait has a deadline anyway.
        let _ = file.set_permissions(Permissions::from_mode(LOCK_MODE));
    }
    let lock = FileLock::take(file, &path, WAIT)?;
    match fs::metadata(&path) {
        Ok(named) if (opened.dev(), opened.ino()) == (named.dev(), named.ino()) => Ok(Some(lock)),
        Err(error) if !is_missing(&error) => Err(StoreError::of("inspect", &path)(error)),
        _ => Ok(None),
    }
}

/// Creates a folder for its owner alone; those above it may be others' as well.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    let mut own = DirBuilder::new();
    own.mode(FOLDER_MODE);
    let outcome = match (own.create(path), path.parent()) {
        (Err(error), Some(parent)) if error.kind() == ErrorKind::NotFound => {
            let mut above = DirBuilder::new();
            above.recursive(true).mode(0o755).create(parent)?;
            own.create(path)
        }
        (outcome, _) => outcome,
    };
    match outcome {
        // Another process has created it meanwhile.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && is_folder(path)? => Ok(()),
        other => other,
    }
}

fn unlockable(path: &Path) -> StoreError {
    let vanishing = io::Error::other("the file vanishes each time");
    StoreError::of("lock", &path.join(LOCK))(vanishing)
}

/// Whether there is a folder of that name.
pub(super) fn is_folder(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether there is nothing of that name.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
