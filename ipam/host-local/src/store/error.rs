//! Failures of the store.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use cni_types::{Code, Error};
use ferrule_file::LockError;
use ferrule_file::os_text;

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The kernel refused it.
    #[error("cannot {operation} {}: {}", .path.display(), os_text(.source))]
    File {
        /// The operation.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The lock could not be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl StoreError {
    /// For `map_err`: `operation` completes "cannot … <path>".
    pub(crate) fn of(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            operation,
            path,
            source,
        }
    }

    fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::File { source, .. } => Some(source.kind()),
            Self::Lock(_) => None,
        }
    }

    /// Whether the file system is read-only.
    pub(crate) fn is_read_only(&self) -> bool {
        self.kind() == Some(ErrorKind::ReadOnlyFilesystem)
    }

    /// Whether there is no space left, which a DEL may free.
    pub(crate) fn is_full(&self) -> bool {
        let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
        self.kind().is_some_and(|kind| full.contains(&kind))
    }

    /// The next action for the operator, if known.
    fn hint(&self) -> Option<&'static str> {
        match self.kind() {
            _ if self.is_full() => Some("make room on the file system of ipam.dataDir"),
            None => Some("let the process that holds the lock go on, or end it, then try again"),
            Some(ErrorKind::ReadOnlyFilesystem) => {
                Some("set ipam.dataDir to a folder on a writable file system")
            }
            Some(ErrorKind::PermissionDenied) => {
                Some("run as root, or as the owner of ipam.dataDir")
            }
            Some(ErrorKind::NotADirectory | ErrorKind::AlreadyExists) => {
                Some("a file stands where ipam.dataDir needs a folder")
            }
            _ => None,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Lock(lock) if lock.is_held() => Code::TryAgain,
            _ => Code::Io,
        };
        let wire = Self::new(code, error.to_string());
        match error.hint() {
            Some(hint) => wire.details(hint),
            None => wire,
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn hints_fit_the_cause() {
        for (errno, expected) in [
            (Errno::ENOSPC, Some("make room")),
            (Errno::EDQUOT, Some("make room")),
            (Errno::EROFS, Some("writable file system")),
            (Errno::EACCES, Some("run as root")),
            (Errno::ENOTDIR, Some("a file stands")),
            (Errno::EIO, None),
        ] {
            let error = StoreError::of("write", Path::new("/pool/10.1.2.3"))(errno.into());
            let hint = error.hint();
            assert_eq!(hint.is_some(), expected.is_some(), "{errno}");
            assert!(
                hint.unwrap_or_default()
                    .contains(expected.unwrap_or_default())
            );
        }
    }
}
