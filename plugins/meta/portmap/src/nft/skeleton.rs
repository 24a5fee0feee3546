//! What all containers share: tables, chains, and the rules that lead to those of containers.
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
/// Where releases 1.6 to 1.8 of the Go plugin put mappings of one address of the host.
pub(crate) const HOSTIP_HOSTPORTS: &str = "hostip_hostports";
/// Leads to both.
const ALL: &str = "hostports_all";
/// Rules of containers that translate sources.
pub(crate) const MASQUERADING: &str = "masquerading";

const PREROUTING: BaseChain = BaseChain::new(ChainKind::Nat, Hook::Prerouting, DESTINATION_NAT);
const OUTPUT: BaseChain = BaseChain::new(ChainKind::Nat, Hook::Output, DESTINATION_NAT);
const POSTROUTING: BaseChain = BaseChain::new(ChainKind::Nat, Hook::Postrouting, SOURCE_NAT);

/// The chains with rules of containers.
pub(crate) const OF_CONTAINERS: [&str; 3] = [HOSTPORTS, HOSTIP_HOSTPORTS, MASQUERADING];

pub(crate) fn table(family: Family) -> Table<'static> {
    Table::new(nft::Family::of(family), NAME)
}

/// A chain that only leads on, with its rules as the tool prints them.
struct Leading {
    name: &'static str,
    layout: ChainLayout<'static>,
    rules: Vec<(&'static str, Rule)>,
}

fn leading(family: Family) -> [Leading; 3] {
    let rule = || Rule::new(nft::Family::of(family));
    let entry = || {
        let rule = rule().destination_is_local().jump(ALL);
        vec![("fib daddr type local jump hostports_all", rule)]
    };
    [
        Leading {
            name: ALL,
            layout: ChainLayout::regular(),
            rules: vec![
                ("jump hostip_hostports", rule().jump(HOSTIP_HOSTPORTS)),
                ("jump hostports", rule().jump(HOSTPORTS)),
            ],
        },
        Leading {
            name: "prerouting",
            layout: ChainLayout::base(PREROUTING),
            rules: entry(),
        },
        Leading {
            name: "output",
            layout: ChainLayout::base(OUTPUT),
            rules: entry(),
        },
    ]
}

/// Makes what is missing and corrects what is different.
///
/// Only connections to an address of this host are looked at: without that test somebody else's
/// connection to the same port elsewhere, forwarded by this host, would end in the container
/// (CVE-2025-67499).
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

/// Compares what is there with what [`ensure`] makes. The order of the rules that lead on does not
/// matter.
pub(crate) fn check(nft: &Nft, family: Family, masquerading: bool) -> Result<(), PortmapError> {
    let table = table(family);
    for chain in leading(family) {
        let name = table.chain(chain.name);
        check_base(nft, name, chain.layout.base)?;
        let found = nft.rules(name)?;
        for (sentence, rule) in &chain.rules {
            if !found.iter().any(|found| found.same_as(rule)) {
                return Err(PortmapError::missing(&name, format!("rule \"{sentence}\"")));
            }
        }
    }
    if masquerading {
        check_base(nft, table.chain(MASQUERADING), Some(POSTROUTING))?;
    }
    Ok(())
}

/// The chains a table has.
pub(crate) struct Present<'a> {
    table: Table<'a>,
    chains: Vec<ListedChain>,
}

impl<'a> Present<'a> {
    pub(crate) fn find(nft: &Nft, table: Table<'a>) -> Result<Self, PortmapError> {
        let chains = nft.chains(table)?;
        Ok(Self { table, chains })
    }

    /// Adds a chain unless it is there. To add it all the same would do no harm, but make the
    /// kernel wait until no packet can be in the chain any more, which takes several milliseconds.
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

/// How packets enter a chain, whatever becomes of them at its end.
fn plain(base: Option<BaseChain>) -> Option<BaseChain> {
    base.map(|base| BaseChain {
        policy: None,
        ..base
    })
}

/// Whether packets enter the chain as they should.
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
