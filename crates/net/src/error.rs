//! Errors of configuring a container's network.

use std::io::ErrorKind;
use std::net::IpAddr;

use cni_types::{Code, Error};
use ferrule_kernel::{Errno, LockError, NetlinkError, NetnsError, SysctlError};

/// A failed step, with the object it was about.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The container's namespace could not be opened or entered.
    #[error(transparent)]
    Namespace(#[from] NetnsError),
    /// The kernel refused a request.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// A sysctl could not be read or written.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// Another call works on the same container, and did not end in time.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The interface is missing.
    #[error("interface {name:?} not found in {place}")]
    LinkNotFound {
        /// The interface.
        name: String,
        /// `the host`, or the path of a container's namespace.
        place: String,
    },
    /// The interface of an ADD exists already.
    #[error("container veth name ({name:?}) peer provided ({place:?}) already exists")]
    NameTaken {
        /// The interface.
        name: String,
        /// The path of the container's namespace.
        place: String,
    },
    /// The host end of an ADD exists already.
    #[error("host interface {name:?} of this container and interface already exists")]
    AlreadyAttached {
        /// The host end.
        name: String,
    },
    /// Other attachments use every possible name of the host end.
    #[error("create veth for {name:?}: the names {tried} are taken on the host")]
    HostNamesTaken {
        /// The container's interface.
        name: String,
        /// The host end names tried.
        tried: String,
    },
    /// A result that cannot be applied.
    #[error("{0}")]
    Unusable(String),
    /// The kernel's state differs from the previous result or the configuration.
    #[error("{0}")]
    Mismatch(String),
    /// The interface did not come up.
    #[error("interface {name:?} is not up but {state} after {milliseconds} ms")]
    NotUp {
        /// The interface.
        name: String,
        /// Its state.
        state: String,
        /// The time waited.
        milliseconds: u128,
    },
    /// The kernel does not deliver packets for an address.
    #[error(
        "address {address} on {name:?} is not usable after {seconds} s: packets for it are not delivered"
    )]
    NotLocal {
        /// The address.
        address: IpAddr,
        /// The interface.
        name: String,
        /// How long was waited.
        seconds: u64,
    },
    /// Another host uses the address.
    #[error("address {address} on {name:?}: {problem}")]
    DuplicateAddress {
        /// The address.
        address: String,
        /// The interface.
        name: String,
        /// The result of duplicate address detection.
        problem: &'static str,
    },
}

impl NetError {
    /// Whether the step failed because the object is gone.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Namespace(error) => error.is_gone(),
            Self::Netlink(error) => error.is_not_found(),
            Self::LinkNotFound { .. } => true,
            _ => false,
        }
    }

    /// What the operator can do, if the error tells it.
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NameTaken { .. } | Self::AlreadyAttached { .. } => {
                Some("another ADD made it; send DEL for this container and interface first")
            }
            Self::Namespace(error) if error.is_gone() => {
                Some("the runtime must create the namespace before ADD and keep it until DEL")
            }
            Self::Namespace(NetnsError::Io { source, .. })
                if source.kind() == ErrorKind::PermissionDenied =>
            {
                Some("run as root, with CAP_SYS_ADMIN and CAP_NET_ADMIN")
            }
            Self::Sysctl(error) if error.is_not_found() => {
                Some("the container's network has no such setting: see /proc/sys/net inside it")
            }
            Self::Netlink(error) => match error.errno()? {
                Errno::EPERM | Errno::EACCES => Some("run as root, with CAP_NET_ADMIN"),
                Errno::EOPNOTSUPP => {
                    Some("the kernel lacks this driver or feature; load its module")
                }
                Errno::ENOMEM | Errno::ENOBUFS | Errno::ENOSPC => {
                    Some("the kernel is out of memory or at a limit for such objects")
                }
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<NetError> for Error {
    fn from(error: NetError) -> Self {
        let code = match &error {
            NetError::Unusable(_) => Code::InvalidConfig,
            NetError::Lock(error) if error.is_held() => Code::TryAgain,
            _ => Code::Internal,
        };
        let wire = Self::new(code, error.to_string());
        match error.hint() {
            Some(hint) => wire.details(hint),
            None => wire,
        }
    }
}
