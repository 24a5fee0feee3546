//! What can go wrong with masquerading.

use cni_types::{Code, Error};
use ferrule_kernel::NetlinkError;
use ferrule_netfilter::BackendError;
use ferrule_netfilter::iptables::IptablesError;

/// A failed change to, or question about, the masquerading of an attachment.
#[derive(Debug, thiserror::Error)]
pub enum MasqueradeError {
    /// A value of `ipMasqBackend` that is neither of the two.
    #[error("unknown ipmasq backend {0:?}")]
    UnknownBackend(String),
    /// An iptables tool failed.
    #[error("masquerade with iptables: {0}")]
    Iptables(#[from] IptablesError),
    /// The kernel refused.
    #[error("masquerade with nftables: {0}")]
    Nftables(#[from] NetlinkError),
    /// CHECK: a rule is missing, or changed, or in the wrong place.
    #[error("masquerade rule missing in {place}: {rule}")]
    Missing {
        /// The chain and its table.
        place: String,
        /// The rule, as the back end's tool would print it.
        rule: String,
    },
    /// STATUS: the back end does not work here.
    #[error("masquerading: {0}")]
    Unusable(#[from] BackendError),
    /// Several steps of a removal failed; the others were carried out.
    #[error("{}", joined(.0))]
    Several(Vec<MasqueradeError>),
}

impl MasqueradeError {
    /// Makes one error of those collected.
    pub(super) fn from_all(mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.len() {
            0 | 1 => errors.pop().map_or(Ok(()), Err),
            _ => Err(Self::Several(errors)),
        }
    }
}

fn joined(errors: &[MasqueradeError]) -> String {
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

impl From<MasqueradeError> for Error {
    fn from(error: MasqueradeError) -> Self {
        let text = error.to_string();
        let error = match error {
            MasqueradeError::Several(errors) => {
                let errors = errors.into_iter().map(Self::from).collect();
                return Self::join(errors).unwrap_or_else(|| Self::internal(text));
            }
            other => other,
        };
        let code = match &error {
            MasqueradeError::UnknownBackend(_) => Code::InvalidConfig,
            MasqueradeError::Unusable(_) => Code::NotAvailable,
            MasqueradeError::Iptables(IptablesError::Locked { .. }) => Code::TryAgain,
            _ => Code::Internal,
        };
        let wire = Self::new(code, text);
        match &error {
            MasqueradeError::UnknownBackend(_) => {
                wire.details("\"ipMasqBackend\" is \"iptables\" or \"nftables\"")
            }
            MasqueradeError::Iptables(IptablesError::NotFound { .. }) => {
                wire.details("install iptables, or set \"ipMasqBackend\" to \"nftables\"")
            }
            _ => wire,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_errors_are_one_with_a_line_each() {
        let unknown = |text: &str| MasqueradeError::UnknownBackend(text.to_owned());
        assert!(MasqueradeError::from_all(Vec::new()).is_ok());
        let one = MasqueradeError::from_all(vec![unknown("a")]).unwrap_err();
        assert_eq!(one.to_string(), "unknown ipmasq backend \"a\"");
        let two = MasqueradeError::from_all(vec![unknown("a"), unknown("b")]).unwrap_err();
        assert_eq!(two.to_string().lines().count(), 2);
    }

    #[test]
    fn a_held_lock_is_worth_another_try() {
        let locked = IptablesError::Locked {
            command: "iptables-restore".to_owned(),
            seconds: 1,
            holder: None,
            text: String::new(),
        };
        let wire = Error::from(MasqueradeError::Iptables(locked));
        assert_eq!(wire.code, Code::TryAgain as u32);
        let wire = Error::from(MasqueradeError::UnknownBackend("x".to_owned()));
        assert_eq!((wire.code, wire.details.is_empty()), (7, false));
    }
}
