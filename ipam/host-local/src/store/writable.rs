//! Checks without writing whether an ADD could write.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::StoreError;

/// Fails if reservations of the network could not be written below `data_dir`.
pub(crate) fn check_writable(data_dir: &Path, network: &str) -> Result<(), StoreError> {
    let folder = nearest_existing(&data_dir.join(network))?;
    let unusable = |error: io::Error| StoreError::of("write to", &folder)(error);
    if !fs::metadata(&folder).map_err(unusable)?.is_dir() {
        return Err(unusable(Errno::ENOTDIR.into()));
    }
    access(&folder, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|e| unusable(e.into()))?;
    let room = statvfs(&folder).map_err(|e| unusable(e.into()))?;
    // File systems without such limits count zero of zero.
    let full = |total, free| total > 0 && free == 0;
    if full(room.blocks(), room.blocks_free()) || full(room.files(), room.files_free()) {
        return Err(unusable(Errno::ENOSPC.into()));
    }
    Ok(())
}

/// The folder itself, or the one that it would be created in.
fn nearest_existing(path: &Path) -> Result<PathBuf, StoreError> {
    for ancestor in path.ancestors() {
        let here = if ancestor.as_os_str().is_empty() {
            Path::new(".")
        } else {
            ancestor
        };
        if here
            .try_exists()
            .map_err(StoreError::of("open the folder", here))?
        {
            return Ok(here.to_owned());
        }
    }
    Ok(PathBuf::from("/"))
}
