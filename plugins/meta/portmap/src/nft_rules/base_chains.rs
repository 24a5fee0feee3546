//! The tables, chains and jumps that all containers share.
//!
//! Names, types, hooks and priorities are those of the Go plugin, which empties `prerouting`,
//! `output` and `hostports_all` on every ADD and writes the same rules again.

use crate::nft_chains::{SharedChain, check_base, ensure_chain};
use ferrule_kernel::Family;
use ferrule_net::NetError;
use ferrule_netfilter::nft::{
    self, BaseChain, ChainKind, ChainLayout, DESTINATION_NAT, Hook, Nft, Rule, SOURCE_NAT, Table,
    Transaction,
};

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
const MASQUERADING_LAYOUT: ChainLayout<'_> = ChainLayout::base(BaseChain::new(
    ChainKind::Nat,
    Hook::Postrouting,
    SOURCE_NAT,
));

/// The chains with rules of containers.
pub(crate) const OF_CONTAINERS: [&str; 3] = [HOSTPORTS, HOSTIP_HOSTPORTS, MASQUERADING];

pub(crate) fn table(family: Family) -> Table<'static> {
    Table::new(nft::Family::of(family), NAME)
}

fn leading(family: Family) -> [SharedChain; 3] {
    let rule = || Rule::new(nft::Family::of(family));
    let entered = |name, base| SharedChain {
        name,
        layout: ChainLayout::base(base),
        rules: vec![rule().destination_is_local().jump(ALL)],
    };
    [
        SharedChain {
            name: ALL,
            layout: ChainLayout::regular(),
            rules: vec![rule().jump(HOSTIP_HOSTPORTS), rule().jump(HOSTPORTS)],
        },
        entered("prerouting", PREROUTING),
        entered("output", OUTPUT),
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
) -> Result<(), NetError> {
    let table = table(family);
    changes.add_table(table, Some(COMMENT));
    for name in [HOSTPORTS, HOSTIP_HOSTPORTS] {
        ensure_chain(nft, changes, table.chain(name), &ChainLayout::regular())?;
    }
    for chain in leading(family) {
        chain.ensure(nft, changes, table)?;
    }
    if masquerading {
        ensure_chain(
            nft,
            changes,
            table.chain(MASQUERADING),
            &MASQUERADING_LAYOUT,
        )?;
    }
    Ok(())
}

/// Compares the objects with those that [`ensure`] adds. The order of the jumps does not
/// matter.
pub(crate) fn check(nft: &Nft, family: Family, masquerading: bool) -> Result<(), NetError> {
    let table = table(family);
    for chain in leading(family) {
        chain.check(nft, table, false)?;
    }
    if masquerading {
        check_base(nft, table.chain(MASQUERADING), &MASQUERADING_LAYOUT)?;
    }
    Ok(())
}
