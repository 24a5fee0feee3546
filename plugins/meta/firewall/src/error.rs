//! Errors of `firewall`.

use cni_types::{Code, Error};
use ferrule_kernel::{LockError, NetlinkError};
use ferrule_netfilter::BackendError;
use ferrule_netfilter::iptables::IptablesError;
use thiserror::Error;

use crate::dbus::DbusError;
use ferrule_plugin::RecordError;

/// What to do when a lock is held.
const HELD: &str = "try again when that process has finished";

/// A failed step.
#[derive(Debug, Error)]
pub(crate) enum FirewallError {
    /// An iptables tool failed.
    #[error(transparent)]
    Iptables(#[from] IptablesError),
    /// The kernel refused.
    #[error(transparent)]
    Nftables(#[from] NetlinkError),
    /// D-Bus or firewalld failed.
    #[error(transparent)]
    Connection(#[from] DbusError),
    /// The plugin's state could not be read or written.
    #[error(transparent)]
    State(#[from] RecordError),
    /// The rulesets could not be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// firewalld does not run.
    #[error("firewalld is not running: nobody has the bus name org.fedoraproject.FirewallD1")]
    NotRunning,
    /// firewalld refused an address.
    #[error("failed to add the address {address} to {zone} zone: {source}")]
    Source {
        /// The address with its prefix.
        address: String,
        /// The zone.
        zone: String,
        /// The answer of firewalld.
        source: DbusError,
    },
    /// A chain of `nftablesForwardChains` is no forward chain.
    #[error("nftablesForwardChains: {chain} is not a filter chain at the forward hook")]
    NoForwardChain {
        /// The chain.
        chain: String,
    },
    /// A policy without a bridge in the previous result.
    #[error(
        "interface needs to be set for ingress policy {policy:?}, make sure to chain \"firewall\" plugin with \"bridge\""
    )]
    NoBridge {
        /// The policy.
        policy: &'static str,
    },
    /// The bridge has a name that the kernel does not allow.
    #[error("the first interface of prevResult has an impossible name: {name:?}")]
    BridgeName {
        /// The name.
        name: String,
    },
    /// CHECK: an object is missing, changed, or in the wrong place.
    #[error("{what} in {place}: {rule}")]
    Mismatch {
        /// What is wrong.
        what: &'static str,
        /// Where.
        place: String,
        /// The rule or other object.
        rule: String,
    },
    /// CHECK: another attachment has the address now.
    #[error("address {address} belongs to container {holder:?} now")]
    Held {
        /// The address.
        address: String,
        /// The container that has it.
        holder: String,
    },
}

impl FirewallError {
    /// What the operator can do about it.
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Iptables(error) if error.is_not_installed() => {
                Some("install iptables, or set the key backend to nftables")
            }
            Self::Iptables(IptablesError::Locked { .. }) => Some(HELD),
            Self::Lock(error) if error.is_held() => Some(HELD),
            Self::NotRunning => Some("start firewalld, or set the key backend to another one"),
            Self::Nftables(_) => {
                Some("backend nftables needs the kernel's nf_tables with the inet family")
            }
            Self::NoForwardChain { .. } => {
                Some("load the ruleset that has it first, or take it out of the list")
            }
            Self::Source { source, .. }
                if source
                    .answer()
                    .is_some_and(|text| text.contains("ZONE_CONFLICT")) =>
            {
                Some("the address is bound to another zone of firewalld: remove it there")
            }
            _ => None,
        }
    }
}

impl From<BackendError> for FirewallError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Iptables(error) => error.into(),
            BackendError::Nftables(error) => error.into(),
            BackendError::Unusable { reason, .. } => Self::from(*reason),
        }
    }
}

impl From<FirewallError> for Error {
    fn from(error: FirewallError) -> Self {
        let code = match &error {
            FirewallError::Iptables(IptablesError::Locked { .. }) => Code::TryAgain,
            FirewallError::Lock(error) if error.is_held() => Code::TryAgain,
            FirewallError::NoBridge { .. }
            | FirewallError::BridgeName { .. }
            | FirewallError::NoForwardChain { .. } => Code::InvalidConfig,
            FirewallError::State(_) | FirewallError::Lock(_) => Code::Io,
            _ => Code::Internal,
        };
        let wire = Self::new(code, error.to_string());
        match error.hint() {
            Some(hint) => wire.details(hint),
            None => wire,
        }
    }
}

/// Joins the errors of steps that all run.
pub(crate) fn join_errors(errors: Vec<FirewallError>) -> Result<(), Error> {
    let errors = errors.into_iter().map(Error::from).collect();
    Error::join(errors).map_or(Ok(()), Err)
}
