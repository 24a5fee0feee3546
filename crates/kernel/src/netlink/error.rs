//! Why a netlink request failed.

use std::io;
use std::net::IpAddr;

use nix::errno::Errno;
use thiserror::Error;

use super::reply::KernelError;
use crate::name::NameError;
use ferrule_file::{errno_text, io_text};

/// A request to the kernel that failed. The message begins with `operation`, a verb and its object:
/// `create veth "veth12ab34cd"`.
#[derive(Debug, Error)]
pub enum NetlinkError {
    /// The kernel refused.
    #[error("{operation}: {}{}", errno_text(*errno), explained(explanation.as_deref()))]
    Refused {
        /// What was requested.
        operation: String,
        /// The kernel's error number.
        errno: Errno,
        /// The kernel's sentence, if it sent one.
        explanation: Option<String>,
        /// The position of the message in its batch, from 0; `None` outside a batch.
        message: Option<usize>,
    },
    /// The request was wrong before the kernel saw it; nothing has been sent.
    #[error("{operation}: {reason}")]
    Invalid {
        /// What was requested.
        operation: String,
        /// What is wrong with it.
        reason: InvalidRequest,
        /// The position of the message in its batch, from 0; `None` outside a batch.
        message: Option<usize>,
    },
    /// The socket failed.
    #[error("{operation}: cannot {action}: {}", io_text(.source))]
    Socket {
        /// What was requested.
        operation: String,
        /// The system call's job: `open netlink socket`, `send request`, `receive reply`.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// No reply came in time; whether the request was carried out is unknown.
    #[error("{operation}: the kernel did not answer within {seconds} seconds")]
    TimedOut {
        /// What was requested.
        operation: String,
        /// How long was waited.
        seconds: i64,
    },
    /// Objects changed during every dump of them.
    #[error("{operation}: the dump was interrupted by changes {attempts} times")]
    Interrupted {
        /// What was requested.
        operation: String,
        /// How many dumps were tried.
        attempts: u32,
    },
    /// A reply could not be read.
    #[error("{operation}: the kernel's reply is malformed")]
    Malformed {
        /// What was requested.
        operation: String,
    },
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

impl NetlinkError {
    /// The kernel's error number, when it answered with one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            Self::Socket { source, .. } => source.raw_os_error().map(Errno::from_raw),
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
        matches!(self, Self::Refused { errno, .. } if absent.contains(errno))
    }

    /// Whether an object to be created is there already.
    pub fn is_exists(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                errno: Errno::EEXIST,
                ..
            }
        )
    }

    /// The outcome of reading one object, with `None` for one that does not exist.
    pub fn none_if_not_found<T>(outcome: Result<T, Self>) -> Result<Option<T>, Self> {
        match outcome {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The position, from 0, of the message that failed in its batch.
    pub fn failed_message(&self) -> Option<usize> {
        match self {
            Self::Refused { message, .. } | Self::Invalid { message, .. } => *message,
            _ => None,
        }
    }

    /// The kernel's error for `operation`, the message at position `message` of a batch.
    pub fn refused(operation: String, error: KernelError, message: Option<usize>) -> Self {
        let KernelError { errno, explanation } = error;
        Self::Refused {
            operation,
            errno,
            explanation,
            message,
        }
    }
}

fn explained(explanation: Option<&str>) -> String {
    explanation.map_or_else(String::new, |text| format!(": {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: Errno, explanation: Option<&str>) -> NetlinkError {
        let explanation = explanation.map(str::to_owned);
        NetlinkError::refused(
            "create veth \"a\"".into(),
            KernelError { errno, explanation },
            Some(2),
        )
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
            (missing.errno(), missing.failed_message()),
            (Some(Errno::ENODEV), Some(2))
        );
        assert!(refused(Errno::EEXIST, None).is_exists());
        assert!(!refused(Errno::EPERM, None).is_not_found());
    }
}
