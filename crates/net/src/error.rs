//! Errors of configuring a container's network.

use std::io::ErrorKind;

use cni_types::{Code, Error};
use ferrule_kernel::{Errno, LockError, NetlinkError, NetnsError, SysctlError};
use ferrule_netfilter::BackendError;
use ferrule_netfilter::iptables::IptablesError;
use ferrule_plugin::RecordError;

/// What to do when a lock is held.
const HELD: &str = "try again when that process has finished";

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
    /// Another call works on the same object, and did not end in time.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An iptables tool failed.
    #[error(transparent)]
    Iptables(#[from] IptablesError),
    /// The interface is missing.
    #[error("interface {name:?} not found in {place}")]
    LinkNotFound {
        /// The interface.
        name: String,
        /// `the host`, or the path of a container's namespace.
        place: String,
    },
    /// A result that cannot be applied.
    #[error("{0}")]
    Unusable(String),
    /// The kernel's state differs from the previous result or the configuration.
    #[error("{0}")]
    Mismatch(String),
    /// A failure that nothing but its report depends on.
    #[error(transparent)]
    Other(#[from] Error),
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
            Self::Lock(error) if error.is_held() => Some(HELD),
            Self::Iptables(IptablesError::Locked { .. }) => Some(HELD),
            Self::Iptables(IptablesError::NotFound { .. }) => {
                Some("install iptables, or configure nftables as the back end")
            }
            _ => None,
        }
    }
}

impl From<RecordError> for NetError {
    fn from(error: RecordError) -> Self {
        Self::Other(error.into())
    }
}

impl From<BackendError> for NetError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Iptables(error) => error.into(),
            BackendError::Nftables(error) => error.into(),
        }
    }
}

impl From<NetError> for Error {
    fn from(error: NetError) -> Self {
        let code = match &error {
            NetError::Unusable(_) => Code::InvalidConfig,
            NetError::Lock(error) if !error.is_held() => Code::Io,
            NetError::Lock(_) | NetError::Iptables(IptablesError::Locked { .. }) => Code::TryAgain,
            _ => Code::Internal,
        };
        let hint = error.hint().unwrap_or_default();
        match error {
            NetError::Other(error) => error,
            error => Self::new(code, error.to_string()).details(hint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_worth_another_try() {
        let locked = IptablesError::Locked {
            command: "iptables-restore".to_owned(),
            seconds: 1,
            holder: None,
            text: String::new(),
        };
        let wire = Error::from(NetError::Iptables(locked));
        assert_eq!(wire.code, Code::TryAgain as u32);
        assert_eq!(wire.details, HELD);
    }
}
