//! The daemon's socket: from systemd, or its own.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use ferrule_file::io_text;
use listenfd::ListenFd;

/// A listening socket.
pub(super) struct Listener {
    pub(super) socket: UnixListener,
    /// The file to remove at the end; none for a socket of systemd's.
    pub(super) own: Option<PathBuf>,
}

/// The socket that systemd passed to this process, if it did.
pub(super) fn activated() -> Result<Option<UnixListener>, String> {
    let mut passed = ListenFd::from_env();
    if passed.len() > 1 {
        return Err(format!(
            "expected one socket from systemd, got {}",
            passed.len()
        ));
    }
    passed
        .take_unix_listener(0)
        .map_err(|error| format!("the socket from systemd: {}", io_text(&error)))
}

/// Creates the folder of the socket, for root alone, unless it exists.
pub(super) fn create_folder(path: &Path) -> Result<(), String> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.map_err(|error| format!("cannot create {}: {}", folder.display(), io_text(&error)))
}

impl Listener {
    /// Listens on `path`. A socket that nobody listens on is replaced: a killed daemon leaves one.
    pub(super) fn bind(path: &Path) -> Result<Self, String> {
        remove_stale(path)?;
        let failed =
            |error: io::Error| format!("cannot listen on {}: {}", path.display(), io_text(&error));
        let socket = UnixListener::bind(path).map_err(failed)?;
        // Others are refused once they are connected; this keeps them from trying.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self {
            socket,
            own: Some(path.to_owned()),
        })
    }
}

fn remove_stale(path: &Path) -> Result<(), String> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(format!(
                "cannot examine {}: {}",
                path.display(),
                io_text(&error)
            ));
        }
        Ok(found) if !found.file_type().is_socket() => {
            return Err(format!(
                "{} is there and no socket: remove it, or choose another -socketpath",
                path.display()
            ));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
        Err(error) => {
            return Err(format!(
                "cannot probe {}: {}",
                path.display(),
                io_text(&error)
            ));
        }
        Ok(_) => {
            return Err(format!(
                "another daemon listens on {}: stop it first",
                path.display()
            ));
        }
    }
    fs::remove_file(path).map_err(|error| {
        format!(
            "cannot remove the stale socket {}: {}",
            path.display(),
            io_text(&error)
        )
    })
}
