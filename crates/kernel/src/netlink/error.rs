//! Why a netlink request failed.

use std::io;
use std::net::IpAddr;

use nix::errno::Errno;
use thiserror::Error;

use super::dump::ATTEMPTS;
use super::reply::{KernelError, Malformed};
use super::socket::TIMEOUT_SECONDS;
use crate::name::NameError;
use ferrule_file::io_text;

/// A request to the kernel that failed. The message begins with `operation`, a verb and its object:
/// `create veth "veth12ab34cd"`.
#[derive(Debug, Error)]
#[error("{operation}: {cause}")]
pub struct NetlinkError {
    /// What was requested.
    pub operation: String,
    /// Why it failed.
    pub cause: RequestError,
    /// The position of the message in its batch, from 0; `None` outside a batch.
    pub message: Option<usize>,
}

/// Why a request failed, whatever it was about.
#[derive(Debug, Error)]
pub enum RequestError {
    /// The kernel refused.
    #[error("{0}")]
    Refused(KernelError),
    /// The request was wrong before the kernel saw it; nothing has been sent.
    #[error("{0}")]
    Invalid(InvalidRequest),
    /// A system call failed.
    #[error("cannot {action}: {}", io_text(.source))]
    Socket {
        /// Its job: `open netlink socket`, `send request`, `receive reply`.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// No reply came in time; whether the request was carried out is unknown.
    #[error("the kernel did not answer within {TIMEOUT_SECONDS} seconds")]
    TimedOut,
    /// Objects changed during every dump of them.
    #[error("the dump was interrupted by changes {ATTEMPTS} times")]
    Interrupted,
    /// A reply could not be read.
    #[error("the kernel's reply is malformed")]
    Malformed,
}

/// What makes a request wrong by itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidRequest {
    /// An interface name the kernel would refuse or change.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The kernel finds a link by the attribute that also renames it: rename by index.
    #[error("a link found by its name cannot be renamed in the same request")]
    RenameByName,
    /// A value of an object that only its own subsystem knows the rules of, and why it is wrong.
    #[error("{0}")]
    Object(String),
    /// Gateway, source and destination of a route must be of one address family.
    #[error("address family of {address} differs from the destination's, {destination}")]
    Family {
        /// The destination's address.
        destination: IpAddr,
        /// The gateway or source that does not fit.
        address: IpAddr,
    },
}

impl RequestError {
    /// The error of the operation that the request was about.
    pub fn during(self, operation: impl Into<String>) -> NetlinkError {
        NetlinkError {
            operation: operation.into(),
            cause: self,
            message: None,
        }
    }
}

impl From<Malformed> for RequestError {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

impl NetlinkError {
    /// The same error, of the message at this position of a batch.
    #[must_use]
    pub fn of_message(self, position: usize) -> Self {
        Self {
            message: Some(position),
            ..self
        }
    }

    /// The kernel's error number, when it answered with one.
    pub fn errno(&self) -> Option<Errno> {
        match &self.cause {
            RequestError::Refused(error) => Some(error.errno),
            RequestError::Socket { source, .. } => source.raw_os_error().map(Errno::from_raw),
            _ => None,
        }
    }

    fn refusal(&self) -> Option<Errno> {
        match &self.cause {
            RequestError::Refused(error) => Some(error.errno),
            _ => None,
        }
    }

    /// Whether the object, or one it depends on, does not exist: no such link, table, route or
    /// address.
    pub fn is_not_found(&self) -> bool {
        let absent = [
            Errno::ENODEV,
            Errno::ENOENT,
            Errno::ESRCH,
            Errno::EADDRNOTAVAIL,
        ];
        self.refusal().is_some_and(|errno| absent.contains(&errno))
    }

    /// Whether an object to be created is there already.
    pub fn is_exists(&self) -> bool {
        self.refusal() == Some(Errno::EEXIST)
    }

    /// The outcome of reading one object, with `None` for one that does not exist.
    pub fn none_if_not_found<T>(outcome: Result<T, Self>) -> Result<Option<T>, Self> {
        match outcome {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: Errno, explanation: Option<&str>) -> NetlinkError {
        let explanation = explanation.map(str::to_owned);
        RequestError::Refused(KernelError { errno, explanation })
            .during("create veth \"a\"")
            .of_message(2)
    }

    #[test]
    fn the_kernels_sentence_comes_last() {
        assert_eq!(
            refused(Errno::EEXIST, None).to_string(),
            "create veth \"a\": file exists (os error 17)"
        );
        assert_eq!(
            refused(Errno::EINVAL, Some("Invalid name")).to_string(),
            "create veth \"a\": invalid argument (os error 22): Invalid name"
        );
    }

    #[test]
    fn errors_are_told_apart_by_number() {
        let missing = refused(Errno::ENODEV, None);
        assert!(missing.is_not_found() && !missing.is_exists());
        assert_eq!(
            (missing.errno(), missing.message),
            (Some(Errno::ENODEV), Some(2))
        );
        assert!(refused(Errno::EEXIST, None).is_exists());
        assert!(!refused(Errno::EPERM, None).is_not_found());
    }
}
