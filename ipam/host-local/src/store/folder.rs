//! A network's folder and its lock.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// The name of the lock file, shared with the Go plugins and others that clear the folder.
const LOCK: &str = "lock";

/// The mode upstream creates the lock file with.
const LOCK_MODE: u32 = 0o750;

/// How often a lock file may vanish before it is ours.
const ATTEMPTS: usize = 16;

/// A network's folder, locked until this value is dropped.
#[derive(Debug)]
pub(super) struct LockedFolder {
    /// Its path.
    pub(super) path: PathBuf,
    /// The folder itself.
    pub(super) file: File,
    /// Closing the file releases the lock.
    _lock: File,
}

impl LockedFolder {
    /// Creates the folder if it is missing, and waits for the lock.
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        for _ in 0..ATTEMPTS {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(path)
                .map_err(StoreError::of("create the folder", path))?;
            if let Some(folder) = Self::lock(path)? {
                return Ok(folder);
            }
        }
        Err(unlockable(path))
    }

    /// Waits for the lock of a folder; none if there is no such folder.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        for _ in 0..ATTEMPTS {
            if !is_folder(path).map_err(StoreError::of("open the folder", path))? {
                return Ok(None);
            }
            if let Some(folder) = Self::lock(path)? {
                return Ok(Some(folder));
            }
        }
        Err(unlockable(path))
    }

    /// None if folder or lock file were removed while waiting: whoever comes next locks another
    /// file then.
    fn lock(path: &Path) -> Result<Option<Self>, StoreError> {
        let lock_path = path.join(LOCK);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(LOCK_MODE)
            .open(&lock_path);
        let lock = match opened {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(StoreError::of("open", &lock_path))?,
        };
        wait_for(&lock).map_err(StoreError::of("lock", &lock_path))?;
        if !is_at(&lock, &lock_path).map_err(StoreError::of("inspect", &lock_path))? {
            return Ok(None);
        }
        let file = File::open(path).map_err(StoreError::of("open the folder", path))?;
        Ok(Some(Self {
            path: path.to_owned(),
            file,
            _lock: lock,
        }))
    }
}

fn unlockable(path: &Path) -> StoreError {
    let vanishing = io::Error::other("the file vanishes each time");
    StoreError::of("lock", &path.join(LOCK))(vanishing)
}

fn is_folder(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(false),
            _ => Err(error),
        },
    }
}

/// flock(2), which is what the Go plugins use: locks of fcntl(2) would not exclude them.
fn wait_for(file: &File) -> io::Result<()> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Whether the file is the one of this name.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((opened.dev(), opened.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
