//! Tables in which containers are let through.

use ferrule_kernel::Family;
use ferrule_netfilter::nft::{self, Nft, Table};

use super::is_forward;
use crate::config::ForwardChain;
use crate::error::FirewallError;
use crate::layout::FORWARD;

/// The plugin's own table.
pub(super) const OWN_TABLE: &str = "ferrule_firewall";

/// Forward chains that containers are let through in wherever they are there: those of iptables'
/// tools, and that of the ruleset distributions ship.
pub(super) const USUAL: [(nft::Family, &str, &str); 3] = [
    (nft::Family::Ipv4, "filter", FORWARD),
    (nft::Family::Ipv6, "filter", FORWARD),
    (nft::Family::Inet, "filter", "forward"),
];

/// A table in which containers are let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) family: nft::Family,
    pub(super) table: String,
    /// The chain packets to be forwarded enter.
    pub(super) forward: String,
    pub(super) kind: Kind,
}

/// Whose a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The plugin's.
    Own,
    /// The administrator's.
    Native,
    /// One that iptables' tools work on.
    Shared(Family),
}

impl Home {
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

    fn is_there(&self, nft: &Nft) -> Result<bool, FirewallError> {
        let chain = nft.chain(self.table().chain(&self.forward))?;
        Ok(chain.is_some_and(|chain| is_forward(chain.base)))
    }
}

/// iptables' tools take every table for theirs that has the name of one of theirs.
fn kind(family: nft::Family, table: &str) -> Kind {
    match (family, table) {
        (nft::Family::Ipv4, "filter") => Kind::Shared(Family::V4),
        (nft::Family::Ipv6, "filter") => Kind::Shared(Family::V6),
        _ => Kind::Native,
    }
}

fn usual() -> impl Iterator<Item = Home> {
    USUAL.into_iter().map(|(family, table, chain)| Home {
        family,
        table: table.to_owned(),
        forward: chain.to_owned(),
        kind: kind(family, table),
    })
}

/// The tables to let containers through in. Chains the configuration names must be there.
pub(super) fn of_configuration(
    nft: &Nft,
    chains: Option<&[ForwardChain]>,
) -> Result<Vec<Home>, FirewallError> {
    let mut homes = vec![Home::own()];
    let Some(chains) = chains else {
        for home in usual() {
            if home.is_there(nft)? {
                homes.push(home);
            }
        }
        return Ok(homes);
    };
    for chain in chains {
        let home = Home::of(chain);
        if !home.is_there(nft)? {
            let chain = chain.to_string();
            return Err(FirewallError::NoForwardChain { chain });
        }
        if !homes.contains(&home) {
            homes.push(home);
        }
    }
    Ok(homes)
}

/// The tables containers may have been let through in, whether they are there or not.
pub(super) fn for_removal(chains: &[ForwardChain]) -> Vec<Home> {
    let mut homes: Vec<Home> = vec![Home::own()];
    for home in usual().chain(chains.iter().map(Home::of)) {
        let known = |other: &Home| (other.family, &other.table) == (home.family, &home.table);
        if !homes.iter().any(known) {
            homes.push(home);
        }
    }
    homes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tables_of_iptables_are_shared_with_it() {
        let home = |text: &str| Home::of(&text.parse().unwrap());
        assert_eq!(home("ip filter FORWARD").kind, Kind::Shared(Family::V4));
        assert_eq!(home("ip6 filter fwd").kind, Kind::Shared(Family::V6));
        assert_eq!(home("inet filter FORWARD").kind, Kind::Native);
        assert_eq!(home("ip fw FORWARD").kind, Kind::Native);
        assert!(home("inet a b").sees(Family::V4) && home("inet a b").sees(Family::V6));
        assert!(home("ip6 a b").sees(Family::V6) && !home("ip6 a b").sees(Family::V4));
    }

    #[test]
    fn each_table_is_cleaned_once() {
        let chains = ["inet filter other", "inet fw forward", "inet fw forward2"];
        let chains: Vec<ForwardChain> = chains.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(for_removal(&chains).len(), 5);
    }
}
