//! Errors of port mappings.

use std::fmt::Display;

use cni_types::{Code, Error};
use ferrule_kernel::{LockError, NetlinkError, SysctlError};
use ferrule_net::NetError;
use ferrule_netfilter::iptables::IptablesError;

/// What to do when a lock is held.
const HELD: &str = "try again when that process has finished";

/// A failed step, with the object it was about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortmapError {
    /// The iptables tools, or how they were used.
    #[error(transparent)]
    Iptables(#[from] IptablesError),
    /// `nf_tables`, or another question to the kernel.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The host's links and routes.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The rulesets could not be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// `route_localnet` could not be set.
    #[error("unable to enable route_localnet: {0}")]
    RouteLocalnet(#[from] SysctlError),
    /// Another running container has the port.
    #[error("host port is taken: {mapping} conflicts with container {container}")]
    Conflict {
        /// What was to be mapped.
        mapping: String,
        /// Who has it.
        container: String,
    },
    /// CHECK: an object is missing or was changed.
    #[error("{place}: {what} is missing or was changed")]
    Missing {
        /// Where it should be.
        place: String,
        /// What should be there.
        what: String,
    },
    /// Several steps failed; the others were carried out.
    #[error("{}", joined(.0))]
    Several(Vec<PortmapError>),
}

impl PortmapError {
    /// Joins the failures of steps that all run.
    pub(crate) fn join(outcomes: impl IntoIterator<Item = Result<(), Self>>) -> Result<(), Self> {
        let mut errors: Vec<Self> = outcomes.into_iter().filter_map(Result::err).collect();
        match errors.pop() {
            None => Ok(()),
            Some(only) if errors.is_empty() => Err(only),
            Some(last) => {
                errors.push(last);
                Err(Self::Several(errors))
            }
        }
    }

    /// What is wrong with a rule of CHECK.
    pub(crate) fn missing(place: &dyn Display, what: impl Into<String>) -> Self {
        Self::Missing {
            place: place.to_string(),
            what: what.into(),
        }
    }
}

fn joined(errors: &[PortmapError]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("; also: ")
}

impl From<PortmapError> for Error {
    fn from(error: PortmapError) -> Self {
        let text = error.to_string();
        match error {
            PortmapError::Several(errors) => {
                let errors = errors.into_iter().map(Self::from).collect();
                Self::join(errors).unwrap_or_else(|| Self::internal(text))
            }
            PortmapError::Net(error) => error.into(),
            PortmapError::Conflict { .. } => Self::new(Code::TryAgain, text).details(
                "remove that container, or have the runtime send DEL or GC for it if it is gone",
            ),
            PortmapError::Iptables(IptablesError::Locked { .. }) => {
                Self::new(Code::TryAgain, text).details(HELD)
            }
            PortmapError::Lock(error) if error.is_held() => {
                Self::new(Code::TryAgain, text).details(HELD)
            }
            _ => Self::internal(text),
        }
    }
}
