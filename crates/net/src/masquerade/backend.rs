//! Which of the two packet filters holds the rules.

use std::fmt;

use ferrule_kernel::Family;
use ferrule_netfilter::iptables::Tool;
use ferrule_netfilter::nft::{self, Nft, Table};

use super::error::MasqueradeError;

/// The table that is examined, never made.
const PROBE: Table<'_> = Table::new(nft::Family::Ipv4, "supports_nftables_test");

/// A packet filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// By the iptables tools.
    Iptables,
    /// `nf_tables`, without any tool.
    Nftables,
}

impl Backend {
    /// Reads the value of the key `ipMasqBackend`.
    pub fn parse(text: &str) -> Result<Self, MasqueradeError> {
        Self::named(text).ok_or_else(|| MasqueradeError::UnknownBackend(text.to_owned()))
    }

    /// The back end of a name, which is compared exactly.
    pub fn named(text: &str) -> Option<Self> {
        match text {
            "iptables" => Some(Self::Iptables),
            "nftables" => Some(Self::Nftables),
            _ => None,
        }
    }

    /// The back end where the configuration names none: iptables, unless that does not work here
    /// and nftables does.
    ///
    /// The Go plugins decide alike, so the rules of one node end up in one place. They ask the
    /// `nft` tool whether nftables works; here the kernel is asked, so the tool may be missing.
    /// This starts one process, `iptables`.
    pub fn of_node() -> Self {
        let usable = |backend: Self| backend.probe().is_ok();
        if !usable(Self::Iptables) && usable(Self::Nftables) {
            Self::Nftables
        } else {
            Self::Iptables
        }
    }

    /// Finds out whether rules could be made now.
    ///
    /// As with the Go plugins the tool for IPv4 stands for both.
    pub fn probe(self) -> Result<(), MasqueradeError> {
        match self {
            Self::Iptables => Tool::find(Family::V4)?.probe()?,
            Self::Nftables => {
                Nft::open()?.check(|changes| {
                    changes.add_table(PROBE, None);
                    Ok::<_, MasqueradeError>(())
                })?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Backend {
    /// As the configuration names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iptables => "iptables",
            Self::Nftables => "nftables",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_named_exactly() {
        for backend in [Backend::Iptables, Backend::Nftables] {
            assert_eq!(Backend::parse(&backend.to_string()).unwrap(), backend);
        }
        for text in ["", "Iptables", "nft", " iptables"] {
            let error = Backend::parse(text).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("unknown ipmasq backend {text:?}")
            );
        }
    }
}
