//! The tables of map mode: maps, and a number of rules that does not depend on the mappings.
//!
//! The tables are our own. The Go plugin neither changes nor needs anything in them.

use ferrule_kernel::Family;
use ferrule_netfilter::nft::{
    self, BaseChain, ChainKind, ChainLayout, DESTINATION_NAT, DataType, Element, Field, Hook,
    ListedRule, Nft, Rule, SOURCE_NAT, Set, SetLayout, SetReference, Table, Transaction, Transport,
    Value,
};

use crate::error::PortmapError;
use crate::nft_rules::base_chains::{Present, check_base};

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

/// A chain with its rules.
struct Part {
    name: &'static str,
    layout: ChainLayout<'static>,
    lines: Vec<Line>,
}

/// A rule, and a text about it for errors.
struct Line {
    text: String,
    rule: Rule,
    /// The map and its keys, if the rule ends with a translation to the map's data.
    map: Option<(&'static str, Vec<Field>)>,
}

impl Line {
    /// The whole rule. `transports` is the set of protocols that rules on ports begin with: `nft` does
    /// not load a rule without it.
    fn rule(&self, family: Family, transports: impl FnOnce() -> SetReference) -> Rule {
        let rule = self.rule.clone();
        match &self.map {
            None => rule,
            Some((map, fields)) => rule
                .in_set(&[Field::Transport], transports())
                .destination_nat_from(fields, *map, family),
        }
    }

    fn is(&self, found: &ListedRule, family: Family) -> bool {
        found.same_as(&self.rule(family, || SetReference::Anonymous(0)))
    }
}

fn parts(family: Family) -> [Part; 4] {
    let start = || Rule::new(nft::Family::of(family));
    let line = |text: &str, rule: Rule| Line {
        text: text.to_owned(),
        rule,
        map: None,
    };
    let base = |name, base, line| Part {
        name,
        layout: ChainLayout::base(base),
        lines: vec![line],
    };
    let entry = || {
        let rule = start().destination_is_local().jump(LOOKUP);
        line("fib daddr type local jump lookup", rule)
    };
    let lookup = |map: (&'static str, Vec<Field>)| Line {
        text: format!("dnat to map @{}", map.0),
        rule: start(),
        map: Some(map),
    };
    let pair = [Field::Source(family), Field::Destination(family)];
    let masquerade = start()
        .destination_was_translated()
        .in_set(&pair, MASQUERADING)
        .masquerade();
    [
        Part {
            name: LOOKUP,
            layout: ChainLayout::regular(),
            lines: maps(family).map(lookup).into(),
        },
        base("prerouting", PREROUTING, entry()),
        base("output", OUTPUT, entry()),
        base(
            MASQUERADING,
            POSTROUTING,
            line(
                "ct status dnat saddr . daddr @masquerading masquerade",
                masquerade,
            ),
        ),
    ]
}

/// Adds what is missing and replaces what differs.
pub(super) fn ensure(
    nft: &Nft,
    changes: &mut Transaction,
    family: Family,
) -> Result<(), PortmapError> {
    let table = table(family);
    let present = Present::find(nft, table)?;
    changes.add_table(table, Some(COMMENT));
    let address = DataType::Address(family);
    let (to, pair) = ([address, DataType::Port], [address, address]);
    for (name, fields) in maps(family) {
        let key: Vec<DataType> = fields.iter().map(|field| field.data_type()).collect();
        add_set(nft, changes, table.set(name), &SetLayout::map(&key, &to))?;
    }
    let layout = SetLayout::set(&pair).with_ranges();
    add_set(nft, changes, table.set(MASQUERADING), &layout)?;
    for part in parts(family) {
        let chain = table.chain(part.name);
        present.add_chain(changes, part.name, &part.layout);
        let found = nft.rules(chain)?;
        let mut pairs = found.iter().zip(&part.lines);
        if found.len() == part.lines.len() && pairs.all(|(rule, line)| line.is(rule, family)) {
            continue;
        }
        changes.flush_chain(chain);
        for line in &part.lines {
            let rule = line.rule(family, || transports(changes, table));
            changes.append_rule(chain, &rule);
        }
    }
    Ok(())
}

/// Adds a set unless it is there.
fn add_set(
    nft: &Nft,
    changes: &mut Transaction,
    set: Set<'_>,
    layout: &SetLayout<'_>,
) -> Result<(), PortmapError> {
    if !nft.has_set(set)? {
        changes.add_set(set, layout);
    }
    Ok(())
}

/// An anonymous set, which belongs to one rule only.
fn transports(changes: &mut Transaction, table: Table<'_>) -> SetReference {
    let elements = Transport::ALL.map(|one| Element::new(&[Value::Transport(one)]));
    let layout = SetLayout::set(&[DataType::Transport]);
    changes.anonymous_set(table, &layout, &elements)
}

/// Compares the objects with those that [`ensure`] adds.
pub(super) fn check(nft: &Nft, family: Family) -> Result<(), PortmapError> {
    let table = table(family);
    for part in parts(family) {
        let chain = table.chain(part.name);
        check_base(nft, chain, part.layout.base)?;
        let mut found = nft.rules(chain)?.into_iter();
        for line in &part.lines {
            // In order.
            if !found.any(|rule| line.is(&rule, family)) {
                let what = format!("rule \"{}\"", line.text);
                return Err(PortmapError::missing(&chain, what));
            }
        }
    }
    Ok(())
}
