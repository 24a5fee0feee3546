//! The tables, chains and jumps that all containers share.
//!
//! Names, types, hooks and priorities are those of the Go plugin, which empties `prerouting`,
//! `output` and `hostports_all` on every ADD and writes the same rules again.

use ferrule_kernel::Family;
use ferrule_netfilter::nft::{
    self, BaseChain, Chain, ChainKind, ChainLayout, DESTINATION_NAT, Hook, ListedChain, Nft, Rule,
    SOURCE_NAT, Table, Transaction,
};

use crate::error::PortmapError;

const NAME: &str = "cni_hostport";
const COMMENT: &str = "CNI portmap plugin";

/// The rules of containers, one per mapping.
pub(crate) const HOSTPORTS: &str = "hostports";
/// The chain of mappings for one address of the host in releases 1.6 to 1.8 of the Go plugin.
pub(crate) const HOSTIP_HOSTPORTS: &str = "hostip_hostports";
/// The chain with the jumps to both.
const ALL: &str = "hostports_all";
/// The chain of rules that masquerade.
pub(crate) const MASQUERADING: &str = "masquerading";

const PREROUTING: BaseChain = BaseChain::new(ChainKind::Nat, Hook::Prerouting, DESTINATION_NAT);
const OUTPUT: BaseChain = BaseChain::new(ChainKind::Nat, Hook::Output, DESTINATION_NAT);
const POSTROUTING: BaseChain = BaseChain::new(ChainKind::Nat, Hook::Postrouting, SOURCE_NAT);

/// The chains with rules of containers.
pub(crate) const OF_CONTAINERS: [&str; 3] = [HOSTPORTS, HOSTIP_HOSTPORTS, MASQUERADING];

pub(crate) fn table(family: Family) -> Table<'static> {
    Table::new(nft::Family::of(family), NAME)
}

/// A chain of jumps, with its rules as `nft` prints them.
struct JumpChain {
    name: &'static str,
    layout: ChainLayout<'static>,
    rules: Vec<(&'static str, Rule)>,
}

fn leading(family: Family) -> [JumpChain; 3] {
    let rule = || Rule::new(nft::Family::of(family));
    let entry = || {
        let rule = rule().destination_is_local().jump(ALL);
        vec![("fib daddr type local jump hostports_all", rule)]
    };
    [
        JumpChain {
            name: ALL,
            layout: ChainLayout::regular(),
            rules: vec![
                ("jump hostip_hostports", rule().jump(HOSTIP_HOSTPORTS)),
                ("jump hostports", rule().jump(HOSTPORTS)),
            ],
        },
        JumpChain {
            name: "prerouting",
            layout: ChainLayout::base(PREROUTING),
            rules: entry(),
        },
        JumpChain {
            name: "output",
            layout: ChainLayout::base(OUTPUT),
            rules: entry(),
        },
    ]
}

/// Adds what is missing and replaces what differs.
///
/// Only connections to an address of this host are translated: otherwise a forwarded connection to the
/// same port of another host would end in the container (CVE-2025-67499).
pub(crate) fn ensure(
    nft: &Nft,
    changes: &mut Transaction,
    family: Family,
    masquerading: bool,
) -> Result<(), PortmapError> {
    let table = table(family);
    let present = Present::find(nft, table)?;
    changes.add_table(table, Some(COMMENT));
    for name in [HOSTPORTS, HOSTIP_HOSTPORTS] {
        present.add_chain(changes, name, &ChainLayout::regular());
    }
    for chain in leading(family) {
        let name = table.chain(chain.name);
        present.add_chain(changes, chain.name, &chain.layout);
        let found = nft.rules(name)?;
        let same = found.len() == chain.rules.len()
            && found
                .iter()
                .zip(&chain.rules)
                .all(|(found, (_, rule))| found.same_as(rule));
        if !same {
            changes.flush_chain(name);
            for (_, rule) in &chain.rules {
                changes.append_rule(name, rule);
            }
        }
    }
    if masquerading {
        present.add_chain(changes, MASQUERADING, &ChainLayout::base(POSTROUTING));
    }
    Ok(())
}

/// Compares the objects with those that [`ensure`] adds. The order of the jumps does not
/// matter.
pub(crate) fn check(nft: &Nft, family: Family, masquerading: bool) -> Result<(), PortmapError> {
    let table = table(family);
    for chain in leading(family) {
        let name = table.chain(chain.name);
        check_base(nft, name, chain.layout.base)?;
        let found = nft.rules(name)?;
        for (text, rule) in &chain.rules {
            if !found.iter().any(|found| found.same_as(rule)) {
                return Err(PortmapError::missing(&name, format!("rule \"{text}\"")));
            }
        }
    }
    if masquerading {
        check_base(nft, table.chain(MASQUERADING), Some(POSTROUTING))?;
    }
    Ok(())
}

/// The chains of a table.
pub(crate) struct Present<'a> {
    table: Table<'a>,
    chains: Vec<ListedChain>,
}

impl<'a> Present<'a> {
    pub(crate) fn find(nft: &Nft, table: Table<'a>) -> Result<Self, PortmapError> {
        let chains = nft.chains(table)?;
        Ok(Self { table, chains })
    }

    /// Adds a chain unless it exists. Adding an existing chain is an update, for which the kernel waits
    /// for an RCU grace period, several milliseconds.
    pub(crate) fn add_chain(
        &self,
        changes: &mut Transaction,
        name: &str,
        layout: &ChainLayout<'_>,
    ) {
        let is_it =
            |chain: &ListedChain| chain.name == name && plain(chain.base) == plain(layout.base);
        if !self.chains.iter().any(is_it) {
            changes.add_chain(self.table.chain(name), layout);
        }
    }
}

/// A base chain without its policy.
fn plain(base: Option<BaseChain>) -> Option<BaseChain> {
    base.map(|base| BaseChain {
        policy: None,
        ..base
    })
}

/// Fails if the chain is not the desired base chain.
pub(crate) fn check_base(
    nft: &Nft,
    chain: Chain<'_>,
    wanted: Option<BaseChain>,
) -> Result<(), PortmapError> {
    let Some(wanted) = wanted else { return Ok(()) };
    let found = nft.chain(chain)?.and_then(|chain| chain.base);
    if plain(found) == Some(wanted) {
        return Ok(());
    }
    let what = format!("its hook {:?} at priority {}", wanted.hook, wanted.priority);
    Err(PortmapError::missing(&chain, what.to_lowercase()))
}
