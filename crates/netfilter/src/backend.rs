//! The choice between iptables and nftables, and whether one of them works on this node.
//!
//! Plugins whose configuration names no back end choose here, by what is installed and supported.
//! That something takes too long, such as a held lock, never decides.

use std::fmt;

use ferrule_kernel::{Family, NetlinkError};
use thiserror::Error;

use crate::iptables::{IptablesError, Tool};
use crate::nft::{self, Nft, Table};

/// The table that the kernel checks for [`Backend::probe`]. It is never created.
const PROBE: Table<'_> = Table::new(nft::Family::Ipv4, "supports_nftables_test");

/// Where rules are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The tables of iptables, by its tools.
    Iptables,
    /// `nf_tables`, by netlink, without a tool.
    Nftables,
}

/// Why a back end does not work.
#[derive(Debug, Error)]
pub enum BackendError {
    /// An iptables tool failed.
    #[error(transparent)]
    Iptables(#[from] IptablesError),
    /// The kernel refused.
    #[error(transparent)]
    Nftables(#[from] NetlinkError),
}

impl Backend {
    /// The back end of this name, which is compared exactly.
    pub fn named(text: &str) -> Option<Self> {
        [Self::Iptables, Self::Nftables]
            .into_iter()
            .find(|backend| backend.name() == text)
    }

    /// The default: iptables, unless it does not work on this node and nftables does.
    ///
    /// The Go plugins choose alike, so the rules of one node end up in one place. They probe
    /// nftables by the `nft` tool; here the kernel is asked, so the tool need not be installed. This
    /// starts one process, `iptables`.
    pub fn of_node() -> Self {
        let works = |backend: Self| backend.probe().is_ok();
        if !works(Self::Iptables) && works(Self::Nftables) {
            Self::Nftables
        } else {
            Self::Iptables
        }
    }

    /// Fails if no rules can be written now. Waits for no lock; a tool that takes too long is no
    /// failure.
    ///
    /// As in the Go plugins, the iptables tool for IPv4 stands for that for IPv6.
    pub fn probe(self) -> Result<(), BackendError> {
        match self {
            Self::Iptables => Ok(Tool::find(Family::V4)?.probe()?),
            Self::Nftables => Nft::open()?.check(|changes| {
                changes.add_table(PROBE, None);
                Ok(())
            }),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Iptables => "iptables",
            Self::Nftables => "nftables",
        }
    }
}

impl fmt::Display for Backend {
    /// As configurations name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_named_exactly() {
        for backend in [Backend::Iptables, Backend::Nftables] {
            assert_eq!(Backend::named(&backend.to_string()), Some(backend));
        }
        for text in ["", "Iptables", "nft", " iptables"] {
            assert_eq!(Backend::named(text), None);
        }
    }
}
