//! A container's namespace, looked at from outside.

use std::path::Path;

use ferrule_kernel::{Netns, RtnlSocket};

/// A socket in the namespace.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) socket: RtnlSocket,
}

/// Why a namespace cannot be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// The cache has no path.
    NoPath,
    /// There is no namespace at the path any more.
    Gone,
    /// The path leads to the host's own namespace: a process on the host has the id that one in the
    /// container had.
    Host,
    /// Something else; the text says what.
    Failed(String),
}

impl Sandbox {
    /// Opens the namespace at the path of an attachment.
    pub(crate) fn open(path: &str) -> Result<Self, Unreachable> {
        if path.is_empty() {
            return Err(Unreachable::NoPath);
        }
        let failed = |error: &dyn ToString| Unreachable::Failed(error.to_string());
        let netns = Netns::open(Path::new(path)).map_err(|error| {
            if error.is_gone() {
                Unreachable::Gone
            } else {
                failed(&error)
            }
        })?;
        let own = Netns::current().map_err(|error| failed(&error))?;
        if netns.same_as(&own).is_ok_and(|same| same) {
            return Err(Unreachable::Host);
        }
        let socket = netns.run_from(&own, RtnlSocket::open);
        let socket = socket
            .map_err(|error| failed(&error))?
            .map_err(|error| failed(&error))?;
        Ok(Self { socket })
    }
}
