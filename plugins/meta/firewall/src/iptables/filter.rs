//! The filter table of one family.

use std::fmt;

use ferrule_kernel::Family;
use ferrule_net::NetError;
use ferrule_netfilter::iptables::{self, IptablesError, Tool, Variant};
use ferrule_netfilter::nft::{self, Nft, Table};

use super::TABLE;
use crate::rule::Rule;

/// A filter table, read chain by chain.
///
/// If the tool writes to `nf_tables` the kernel is asked, without a process. Otherwise the tool
/// lists the whole table once.
pub(super) struct Filter {
    tool: Tool,
    source: Source,
}

enum Source {
    Kernel(Nft),
    Listed(Vec<iptables::ListedRule>),
}

/// The rules of a chain, in order.
pub(super) enum Listing<'f> {
    Kernel(Vec<nft::ListedRule>),
    Listed(Vec<&'f iptables::ListedRule>),
}

/// Whether `nf_tables` holds the tool's tables, which can then be read and changed without it.
pub(super) fn is_held_by_nf_tables(tool: &Tool) -> bool {
    tool.variant() == Variant::Nft
}

impl Filter {
    /// Opens the table of the node's default tool.
    pub(super) fn open(family: Family) -> Result<Self, IptablesError> {
        let tool = Tool::find(family)?;
        // On a kernel without `nf_tables` the tool itself fails.
        let kernel = if is_held_by_nf_tables(&tool) {
            Nft::open_if_supported()?
        } else {
            None
        };
        let source = match kernel {
            Some(nft) => Source::Kernel(nft),
            None => Source::Listed(tool.rules_of_table(TABLE)?),
        };
        Ok(Self { tool, source })
    }

    pub(super) fn tool(&self) -> &Tool {
        &self.tool
    }

    pub(super) fn family(&self) -> Family {
        self.tool.family()
    }

    /// The rules of a chain; none if the chain does not exist.
    pub(super) fn chain(&self, name: &str) -> Result<Listing<'_>, NetError> {
        Ok(match &self.source {
            Source::Kernel(nft) => Listing::Kernel(nft.rules(self.table().chain(name))?),
            Source::Listed(rules) => {
                let inside = |rule: &&iptables::ListedRule| rule.chain == name;
                Listing::Listed(rules.iter().filter(inside).collect())
            }
        })
    }

    /// Whether a chain exists.
    pub(super) fn has_chain(&self, name: &str) -> Result<bool, NetError> {
        Ok(match &self.source {
            Source::Kernel(nft) => nft.chain(self.table().chain(name))?.is_some(),
            // A chain with rules, or one that rules jump to, exists: no process is needed.
            Source::Listed(rules) => {
                rules
                    .iter()
                    .any(|rule| rule.chain == name || rule.target() == Some(name))
                    || self.tool.has_chain(TABLE, name)?
            }
        })
    }

    fn table(&self) -> Table<'static> {
        Table::new(nft::Family::of(self.family()), TABLE)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tool = match self.family() {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        };
        write!(f, "table {TABLE} of {tool}")
    }
}

impl Listing<'_> {
    /// How many rules there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Kernel(rules) => rules.len(),
            Self::Listed(rules) => rules.len(),
        }
    }

    /// Whether the rule at a place is this one.
    pub(super) fn is(&self, place: usize, rule: &Rule) -> bool {
        self.form(place, rule).is_some()
    }

    /// The form in which the tools print the rule at a place, if it is this one.
    pub(super) fn form<'r>(&self, place: usize, rule: &'r Rule) -> Option<&'r iptables::Rule> {
        match self {
            Self::Kernel(rules) => rules.get(place).and_then(|held| rule.held(held)),
            Self::Listed(rules) => rules.get(place).and_then(|listed| rule.listed(listed)),
        }
    }

    /// Whether the chain has a rule.
    pub(super) fn has(&self, rule: &Rule) -> bool {
        (0..self.len()).any(|place| self.is(place, rule))
    }
}
