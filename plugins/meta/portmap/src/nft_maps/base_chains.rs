//! The tables of map mode: maps, and a number of rules that does not depend on the mappings.
//!
//! The tables are our own. The Go plugin neither changes nor needs anything in them.

use ferrule_kernel::Family;
use ferrule_net::NetError;
use ferrule_netfilter::nft::{
    self, BaseChain, ChainKind, ChainLayout, DESTINATION_NAT, DataType, Field, Hook, Nft, Rule,
    SOURCE_NAT, Set, SetLayout, SetReference, Table, Transaction,
};

use crate::nft_chains::SharedChain;

const NAME: &str = "cni_hostport_map";
const COMMENT: &str = "CNI portmap plugin, map mode";

/// Ports of all addresses of the host.
pub(super) const HOSTPORTS: &str = "hostports";
/// Ports of one address of the host.
pub(super) const HOSTIP_HOSTPORTS: &str = "hostip_hostports";
/// From where to which container connections are masqueraded.
pub(super) const MASQUERADING: &str = "masquerading";

const LOOKUP: &str = "lookup";

/// Before the chains of the Go plugin, whose rules may be of removed containers.
const PREROUTING: BaseChain = BaseChain::new(ChainKind::Nat, Hook::Prerouting, DESTINATION_NAT - 1);
const OUTPUT: BaseChain = BaseChain::new(ChainKind::Nat, Hook::Output, DESTINATION_NAT - 1);
const POSTROUTING: BaseChain = BaseChain::new(ChainKind::Nat, Hook::Postrouting, SOURCE_NAT - 1);

pub(super) fn table(family: Family) -> Table<'static> {
    Table::new(nft::Family::of(family), NAME)
}

/// The maps with the packet fields of their keys; the one with the host's address is looked up first.
fn maps(family: Family) -> [(&'static str, Vec<Field>); 2] {
    let port = [Field::Transport, Field::DestinationPort];
    let only = [&[Field::Destination(family)], &port[..]].concat();
    [(HOSTIP_HOSTPORTS, only), (HOSTPORTS, port.to_vec())]
}

fn chains(family: Family) -> [SharedChain; 4] {
    let rule = || Rule::new(nft::Family::of(family));
    let base = |name, base, rule| SharedChain {
        name,
        layout: ChainLayout::base(base),
        rules: vec![rule],
    };
    let entry = || rule().destination_is_local().jump(LOOKUP);
    // `nft` does not load a rule on ports that does not begin with a set of protocols.
    let lookup = |(map, fields): (&str, Vec<Field>)| {
        rule()
            .in_set(&[Field::Transport], SetReference::Anonymous(0))
            .destination_nat_from(&fields, map, family)
    };
    let pair = [Field::Source(family), Field::Destination(family)];
    let masquerade = rule()
        .destination_was_translated()
        .in_set(&pair, MASQUERADING)
        .masquerade();
    [
        SharedChain {
            name: LOOKUP,
            layout: ChainLayout::regular(),
            rules: maps(family).map(lookup).into(),
        },
        base("prerouting", PREROUTING, entry()),
        base("output", OUTPUT, entry()),
        base(MASQUERADING, POSTROUTING, masquerade),
    ]
}

/// Adds what is missing and replaces what differs.
pub(super) fn ensure(nft: &Nft, changes: &mut Transaction, family: Family) -> Result<(), NetError> {
    let table = table(family);
    changes.add_table(table, Some(COMMENT));
    let address = DataType::Address(family);
    let (to, pair) = ([address, DataType::Port], [address, address]);
    for (name, fields) in maps(family) {
        let key: Vec<DataType> = fields.iter().map(|field| field.data_type()).collect();
        add_set(nft, changes, table.set(name), &SetLayout::map(&key, &to))?;
    }
    let layout = SetLayout::set(&pair).with_ranges();
    add_set(nft, changes, table.set(MASQUERADING), &layout)?;
    for chain in chains(family) {
        chain.ensure(nft, changes, table)?;
    }
    Ok(())
}

/// Adds a set unless it is there.
fn add_set(
    nft: &Nft,
    changes: &mut Transaction,
    set: Set<'_>,
    layout: &SetLayout<'_>,
) -> Result<(), NetError> {
    if !nft.has_set(set)? {
        changes.add_set(set, layout);
    }
    Ok(())
}

/// Compares the objects with those that [`ensure`] adds.
pub(super) fn check(nft: &Nft, family: Family) -> Result<(), NetError> {
    let table = table(family);
    let mut chains = chains(family).into_iter();
    chains.try_for_each(|chain| chain.check(nft, table, true))
}
