//! Errors of D-Bus calls.

use std::io;
use std::path::PathBuf;

use ferrule_file::io_text;
use thiserror::Error;

/// A failed connection to the bus, or a failed call.
#[derive(Debug, Error)]
pub(crate) enum DbusError {
    /// The address has no unix socket, the only transport of this client.
    #[error("D-Bus address {0:?} names no unix socket")]
    Address(String),
    /// The socket accepts no connection.
    #[error("cannot connect to the D-Bus system bus at {path:?}: {}", self.cause(source))]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Reading or writing failed.
    #[error("{doing}: D-Bus system bus: {}", self.cause(source))]
    Io {
        /// What was being done.
        doing: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The bus refused the authentication.
    #[error("the D-Bus system bus refuses the connection: {0:?}")]
    Refused(String),
    /// The received bytes are not a D-Bus message.
    #[error("{doing}: malformed D-Bus message: {what}")]
    Malformed {
        /// What was being done.
        doing: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The called method returned an error.
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

impl DbusError {
    /// Whether a wait for the bus timed out. That says nothing about whether firewalld runs.
    pub(crate) fn is_timeout(&self) -> bool {
        let late = [io::ErrorKind::TimedOut, io::ErrorKind::WouldBlock];
        match self {
            Self::Io { source, .. } | Self::Connect { source, .. } => late.contains(&source.kind()),
            _ => false,
        }
    }

    fn cause(&self, source: &io::Error) -> String {
        if self.is_timeout() {
            return "no answer in time".to_owned();
        }
        io_text(source)
    }

    /// The text of the error that the called method returned.
    pub(crate) fn answer(&self) -> Option<&str> {
        match self {
            Self::Answer { text, .. } => Some(text),
            _ => None,
        }
    }
}
