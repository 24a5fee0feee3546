//! The tables in which packets are accepted.

use cni_types::{Code, Error};
use ferrule_kernel::Family;
use ferrule_net::NetError;
use ferrule_netfilter::nft::{self, Nft, Table};

use super::is_forward;
use crate::chains::FORWARD;
use crate::config::ForwardChain;

/// The plugin's own table.
pub(super) const OWN_TABLE: &str = "ferrule_firewall";

/// The forward chains to accept packets in, if they exist: those of iptables' tools, and that of the
/// ruleset that distributions ship.
pub(super) const USUAL: [(nft::Family, &str, &str); 3] = [
    (nft::Family::Ipv4, "filter", FORWARD),
    (nft::Family::Ipv6, "filter", FORWARD),
    (nft::Family::Inet, "filter", "forward"),
];

/// A table in which packets are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilterTable {
    pub(super) family: nft::Family,
    pub(super) table: String,
    /// The chain of forwarded packets.
    pub(super) forward: String,
    pub(super) kind: Kind,
}

/// The owner of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The plugin's.
    Own,
    /// The administrator's.
    Native,
    /// iptables' tools, for this family.
    Shared(Family),
}

impl FilterTable {
    fn own() -> Self {
        Self {
            family: nft::Family::Inet,
            table: OWN_TABLE.to_owned(),
            forward: FORWARD.to_owned(),
            kind: Kind::Own,
        }
    }

    fn of(chain: &ForwardChain) -> Self {
        Self {
            family: chain.family,
            table: chain.table.clone(),
            forward: chain.chain.clone(),
            kind: kind(chain.family, &chain.table),
        }
    }

    /// The table.
    pub(super) fn table(&self) -> Table<'_> {
        Table::new(self.family, &self.table)
    }

    /// Whether packets of a family pass it.
    pub(super) fn sees(&self, family: Family) -> bool {
        self.family == nft::Family::Inet || self.family == nft::Family::of(family)
    }

    fn exists(&self, nft: &Nft) -> Result<bool, NetError> {
        let chain = nft.chain(self.table().chain(&self.forward))?;
        Ok(chain.is_some_and(|chain| is_forward(chain.base)))
    }
}

/// iptables' tools use every table with the name of one of their tables.
fn kind(family: nft::Family, table: &str) -> Kind {
    match (family, table) {
        (nft::Family::Ipv4, "filter") => Kind::Shared(Family::V4),
        (nft::Family::Ipv6, "filter") => Kind::Shared(Family::V6),
        _ => Kind::Native,
    }
}

fn usual() -> impl Iterator<Item = FilterTable> {
    USUAL.into_iter().map(|(family, table, chain)| FilterTable {
        family,
        table: table.to_owned(),
        forward: chain.to_owned(),
        kind: kind(family, table),
    })
}

/// The tables to accept packets in. Chains of the configuration must exist.
pub(super) fn of_configuration(
    nft: &Nft,
    chains: Option<&[ForwardChain]>,
) -> Result<Vec<FilterTable>, NetError> {
    let mut tables = vec![FilterTable::own()];
    let Some(chains) = chains else {
        for filter in usual() {
            if filter.exists(nft)? {
                tables.push(filter);
            }
        }
        return Ok(tables);
    };
    for chain in chains {
        let filter = FilterTable::of(chain);
        if !filter.exists(nft)? {
            let msg =
                format!("nftablesForwardChains: {chain} is not a filter chain at the forward hook");
            let hint = "load the ruleset that has it first, or take it out of the list";
            return Err(Error::new(Code::InvalidConfig, msg).details(hint).into());
        }
        if !tables.contains(&filter) {
            tables.push(filter);
        }
    }
    Ok(tables)
}

/// The tables to remove addresses from, whether they exist or not.
pub(super) fn for_removal(chains: &[ForwardChain]) -> Vec<FilterTable> {
    let mut tables: Vec<FilterTable> = vec![FilterTable::own()];
    for filter in usual().chain(chains.iter().map(FilterTable::of)) {
        let known =
            |other: &FilterTable| (other.family, &other.table) == (filter.family, &filter.table);
        if !tables.iter().any(known) {
            tables.push(filter);
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tables_of_iptables_are_shared_with_it() {
        let filter = |text: &str| FilterTable::of(&text.parse().unwrap());
        assert_eq!(filter("ip filter FORWARD").kind, Kind::Shared(Family::V4));
        assert_eq!(filter("ip6 filter fwd").kind, Kind::Shared(Family::V6));
        assert_eq!(filter("inet filter FORWARD").kind, Kind::Native);
        assert_eq!(filter("ip fw FORWARD").kind, Kind::Native);
        assert!(filter("inet a b").sees(Family::V4) && filter("inet a b").sees(Family::V6));
        assert!(filter("ip6 a b").sees(Family::V6) && !filter("ip6 a b").sees(Family::V4));
    }

    #[test]
    fn each_table_is_cleaned_once() {
        let chains = ["inet filter other", "inet fw forward", "inet fw forward2"];
        let chains: Vec<ForwardChain> = chains.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(for_removal(&chains).len(), 5);
    }
}
