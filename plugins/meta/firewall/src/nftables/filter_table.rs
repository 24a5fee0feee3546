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

impl ForwardChain {
    fn new(family: nft::Family, table: &str, chain: &str) -> Self {
        Self {
            family,
            table: table.to_owned(),
            chain: chain.to_owned(),
        }
    }

    /// The table that it is in.
    pub(super) fn table(&self) -> Table<'_> {
        Table::new(self.family, &self.table)
    }

    /// The owner of its table. iptables' tools use every table with the name of one of their tables.
    pub(super) fn kind(&self) -> Kind {
        match (self.family, self.table.as_str()) {
            (nft::Family::Inet, OWN_TABLE) => Kind::Own,
            (nft::Family::Ipv4, "filter") => Kind::Shared(Family::V4),
            (nft::Family::Ipv6, "filter") => Kind::Shared(Family::V6),
            _ => Kind::Native,
        }
    }

    /// Whether packets of a family pass it.
    pub(super) fn sees(&self, family: Family) -> bool {
        self.family == nft::Family::Inet || self.family == nft::Family::of(family)
    }

    fn exists(&self, nft: &Nft) -> Result<bool, NetError> {
        let chain = nft.chain(self.table().chain(&self.chain))?;
        Ok(chain.is_some_and(|chain| is_forward(chain.base)))
    }
}

fn own() -> ForwardChain {
    ForwardChain::new(nft::Family::Inet, OWN_TABLE, FORWARD)
}

fn usual() -> impl Iterator<Item = ForwardChain> {
    let chains = USUAL.into_iter();
    chains.map(|(family, table, chain)| ForwardChain::new(family, table, chain))
}

/// The tables to accept packets in. Chains of the configuration must exist.
pub(super) fn of_configuration(
    nft: &Nft,
    chains: Option<&[ForwardChain]>,
) -> Result<Vec<ForwardChain>, NetError> {
    let mut tables = vec![own()];
    let Some(chains) = chains else {
        for filter in usual() {
            if filter.exists(nft)? {
                tables.push(filter);
            }
        }
        return Ok(tables);
    };
    for chain in chains {
        if !chain.exists(nft)? {
            let msg =
                format!("nftablesForwardChains: {chain} is not a filter chain at the forward hook");
            let hint = "load the ruleset that has it first, or take it out of the list";
            return Err(Error::new(Code::InvalidConfig, msg).details(hint).into());
        }
        if !tables.contains(chain) {
            tables.push(chain.clone());
        }
    }
    Ok(tables)
}

/// The tables to remove addresses from, whether they exist or not.
pub(super) fn for_removal(chains: &[ForwardChain]) -> Vec<ForwardChain> {
    let mut tables = vec![own()];
    for chain in usual().chain(chains.iter().cloned()) {
        if !tables.iter().any(|known| known.table() == chain.table()) {
            tables.push(chain);
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tables_of_iptables_are_shared_with_it() {
        let filter = |text: &str| text.parse::<ForwardChain>().unwrap();
        assert_eq!(filter("ip filter FORWARD").kind(), Kind::Shared(Family::V4));
        assert_eq!(filter("ip6 filter fwd").kind(), Kind::Shared(Family::V6));
        assert_eq!(filter("inet filter FORWARD").kind(), Kind::Native);
        assert_eq!(filter("ip fw FORWARD").kind(), Kind::Native);
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
