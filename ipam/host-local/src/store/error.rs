//! Failures of the store.

use std::io;
use std::path::{Path, PathBuf};

use cni_types::{Code, Error};
use libcni::os_text;

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {}", .path.display(), os_text(.source))]
pub(crate) struct StoreError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl StoreError {
    /// For `map_err`: `operation` completes "cannot … <path>".
    pub(crate) fn of(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self {
            operation,
            path,
            source,
        }
    }

    /// What the operator can do about it, where that can be told.
    fn hint(&self) -> Option<&'static str> {
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some("make room on the file system of ipam.dataDir")
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                Some("set ipam.dataDir to a folder on a writable file system")
            }
            io::ErrorKind::PermissionDenied => Some("run as root, or as the owner of ipam.dataDir"),
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                Some("a file stands where ipam.dataDir needs a folder")
            }
            _ => None,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let wire = Self::new(Code::Io, error.to_string());
        match error.hint() {
            Some(hint) => wire.details(hint),
            None => wire,
        }
    }
}
