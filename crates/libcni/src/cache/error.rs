//! Errors of the result cache.

use std::io;
use std::path::PathBuf;

use ferrule_file::os_text;

/// A failure of the result cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A part of the file's name is empty or has a slash.
    #[error(
        "cache file needs names without slashes: network {network:?}, container {container_id:?}, interface {ifname:?}"
    )]
    Name {
        /// The network's name.
        network: String,
        /// The container.
        container_id: String,
        /// The interface inside it.
        ifname: String,
    },
    /// A file could not be written or removed.
    #[error("writing {}: {}", .path.display(), os_text(.source))]
    Write {
        /// The file.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The folder could not be listed.
    #[error("reading {}: {}", .folder.display(), os_text(.source))]
    List {
        /// The folder.
        folder: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// A file holds no cached result.
    #[error("{}: {error}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
}
