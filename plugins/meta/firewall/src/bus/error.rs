//! What can go wrong on the bus.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A failed conversation with the bus, or with who was called.
#[derive(Debug, Error)]
pub(crate) enum BusError {
    /// The address names no socket this client can connect to.
    #[error("D-Bus address {0:?} names no unix socket")]
    Address(String),
    /// Nobody listens, or not to us.
    #[error("cannot connect to the D-Bus system bus at {path:?}: {source}")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The conversation broke off.
    #[error("{doing}: D-Bus system bus: {}", if self.is_timeout() { "no answer in time".to_owned() } else { source.to_string() })]
    Io {
        /// What was being done.
        doing: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The bus does not let us in.
    #[error("the D-Bus system bus refuses the connection: {0:?}")]
    Refused(String),
    /// What came is not D-Bus.
    #[error("{doing}: malformed D-Bus message: {what}")]
    Malformed {
        /// What was being done.
        doing: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Who was called answered with an error.
    #[error("{doing}: {name}: {text}")]
    Answer {
        /// What was being done.
        doing: String,
        /// The error's name.
        name: String,
        /// Its text.
        text: String,
    },
}

impl BusError {
    /// Whether waiting for an answer ended it, which tells nothing about who runs.
    pub(crate) fn is_timeout(&self) -> bool {
        let late = [io::ErrorKind::TimedOut, io::ErrorKind::WouldBlock];
        matches!(self, Self::Io { source, .. } if late.contains(&source.kind()))
    }

    /// The text of an error that who was called answered with.
    pub(crate) fn answer(&self) -> Option<&str> {
        match self {
            Self::Answer { text, .. } => Some(text),
            _ => None,
        }
    }
}
