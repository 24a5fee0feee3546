//! What can go wrong while a container's network is wired.

use std::io::ErrorKind;

use cni_types::{Code, Error};
use ferrule_kernel::{Errno, NetlinkError, NetnsError, RtnlOpenError, SysctlError};

/// A failed step, with the object it was about.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The container's namespace could not be opened or entered.
    #[error(transparent)]
    Namespace(#[from] NetnsError),
    /// The kernel refused a change or a question.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// No conversation with the kernel.
    #[error(transparent)]
    Open(#[from] RtnlOpenError),
    /// A kernel setting could not be read or written.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// The interface is not where it has to be.
    #[error("interface {name:?} not found in {place}")]
    LinkNotFound {
        /// The interface.
        name: String,
        /// `the host`, or the path of a container's namespace.
        place: String,
    },
    /// An ADD for an interface that is there already.
    #[error("container veth name ({name:?}) peer provided ({place:?}) already exists")]
    NameTaken {
        /// The interface.
        name: String,
        /// The path of the container's namespace.
        place: String,
    },
    /// An ADD for an attachment whose host end is there already.
    #[error("host interface {name:?} of this container and interface already exists")]
    AlreadyAttached {
        /// The host end.
        name: String,
    },
    /// Every name the host end could have is taken by other attachments.
    #[error("create veth for {name:?}: the names {tried} are taken on the host")]
    HostNamesTaken {
        /// The container's interface.
        name: String,
        /// The host end names tried.
        tried: String,
    },
    /// A result that cannot be put into effect.
    #[error("{0}")]
    Unusable(String),
    /// The link is not what the previous result says, or misses part of it.
    #[error("{0}")]
    Mismatch(String),
    /// The interface did not come up.
    #[error("interface {name:?} is not up but {state} after {milliseconds} ms")]
    NotUp {
        /// The interface.
        name: String,
        /// The state it is in.
        state: String,
        /// How long was waited.
        milliseconds: u128,
    },
    /// The kernel found an address in use by somebody else.
    #[error("address {address} on {name:?}: {problem}")]
    DuplicateAddress {
        /// The address.
        address: String,
        /// The interface.
        name: String,
        /// What duplicate detection says.
        problem: &'static str,
    },
}

impl NetError {
    /// Whether the step failed because the object is gone.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Namespace(error) | Self::Open(RtnlOpenError::Netns(error)) => error.is_gone(),
            Self::Netlink(error) => error.is_not_found(),
            Self::LinkNotFound { .. } => true,
            _ => false,
        }
    }

    /// What the operator can do about it, where that can be told.
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NameTaken { .. } | Self::AlreadyAttached { .. } => {
                Some("another ADD made it; send DEL for this container and interface first")
            }
            Self::Namespace(error) | Self::Open(RtnlOpenError::Netns(error)) if error.is_gone() => {
                Some("the runtime must create the namespace before ADD and keep it until DEL")
            }
            Self::Namespace(NetnsError::Enter { source, .. })
            | Self::Open(RtnlOpenError::Netns(NetnsError::Enter { source, .. }))
                if source.kind() == ErrorKind::PermissionDenied =>
            {
                Some("run as root, with CAP_SYS_ADMIN and CAP_NET_ADMIN")
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
            _ => Code::Internal,
        };
        let wire = Self::new(code, error.to_string());
        match error.hint() {
            Some(hint) => wire.details(hint),
            None => wire,
        }
    }
}
