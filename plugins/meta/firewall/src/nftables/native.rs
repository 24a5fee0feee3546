//! The rules of the plugin's own table and of the administrator's tables.
//!
//! ```text
//! chain FORWARD {                                  # in the plugin's own table
//!     jump CNI-ISOLATION-STAGE-1                   # with an ingress policy
//!     jump CNI-FORWARD
//! }
//! chain CNI-FORWARD {
//!     jump CNI-ADMIN
//!     ip saddr @cni_containers4 accept             # and the same for IPv6
//!     ip daddr @cni_containers4 ct state established,related accept
//! }
//! chain CNI-ISOLATION-STAGE-1 {
//!     iifname . oifname @cni_isolated_bridges drop
//!     iifname . oifname @cni_same_bridge return
//!     iifname @cni_bridges jump CNI-ISOLATION-STAGE-2
//! }
//! chain CNI-ISOLATION-STAGE-2 {
//!     oifname @cni_bridges drop
//! }
//! ```

use ferrule_kernel::{Family, NetlinkError};
use ferrule_net::NetError;
use ferrule_netfilter::nft::{
    BaseChain, ChainKind, ChainLayout, ConntrackState, DataType, Element, Field, Hook, ListedRule,
    Nft, Rule, SetLayout, Table, Transaction, Value,
};

use super::filter_table::Kind;
use super::{Rules, address_set, is_forward, reconcile};
use crate::chains::{ACCEPTING, ADMIN_COMMENT, Isolation, STAGE_1, STAGE_2};
use crate::config::{ForwardChain, Policy};
use crate::error::mismatch;
use crate::reconcile::DesiredChain;

/// `NF_IP_PRI_FILTER`
const FILTER: i32 = 0;
const BASE: BaseChain = BaseChain::new(ChainKind::Filter, Hook::Forward, FILTER);
const TABLE_COMMENT: &str = "what the CNI plugin firewall lets through";

/// The sets of bridges with a policy, of pairs of such a bridge with itself, and of those pairs with
/// the policy `isolated`.
const BRIDGES: &str = "cni_bridges";
const SAME_BRIDGE: &str = "cni_same_bridge";
const ISOLATED: &str = "cni_isolated_bridges";

/// Adds the changes that make the table the desired one.
pub(super) fn plan(
    nft: &Nft,
    filter: &ForwardChain,
    rules: &Rules<'_>,
    changes: &mut Transaction,
) -> Result<(), NetlinkError> {
    let table = filter.table();
    if filter.kind() == Kind::Own {
        changes.add_table(table, Some(TABLE_COMMENT));
        let forward = table.chain(&filter.chain);
        let found = nft.chain(forward)?;
        // The kernel refuses to change the type of an existing chain.
        if !found.is_some_and(|chain| is_forward(chain.base)) {
            changes.add_chain(forward, &ChainLayout::base(BASE));
        }
    }
    for family in families(filter) {
        address_set::create(table, family, changes);
    }
    for name in [rules.admin_chain, ACCEPTING] {
        nft.add_missing_chain(changes, table.chain(name), &ChainLayout::regular())?;
    }
    if let Some(isolation) = isolation_in(filter, rules) {
        for name in [STAGE_1, STAGE_2] {
            nft.add_missing_chain(changes, table.chain(name), &ChainLayout::regular())?;
        }
        isolate(nft, table, isolation, changes)?;
    }
    for desired in chains(nft, filter, rules)? {
        let listed = nft.rules(table.chain(&desired.chain))?;
        reconcile(
            &listed,
            table,
            &desired,
            ListedRule::same_as,
            |rule| rule,
            changes,
        );
    }
    for address in rules.addresses {
        if filter.sees(Family::of(*address)) {
            address_set::enter(nft, table, rules.id, *address, changes)?;
        }
    }
    Ok(())
}

/// Compares the table with what [`plan`] writes.
pub(super) fn check(nft: &Nft, filter: &ForwardChain, rules: &Rules<'_>) -> Result<(), NetError> {
    let table = filter.table();
    let differs = |what, rule: String| Err(mismatch(what, table, rule));
    let forward = nft.chain(table.chain(&filter.chain))?;
    if !forward.is_some_and(|chain| is_forward(chain.base)) {
        return differs(
            "chain not found",
            format!("{} at the forward hook", filter.chain),
        );
    }
    for desired in chains(nft, filter, rules)? {
        let listed = nft.rules(table.chain(&desired.chain))?;
        let is = |place: usize, rule: &Rule| listed.get(place).is_some_and(|one| one.same_as(rule));
        if let Some(drift) = desired.drift(listed.len(), is) {
            return differs(drift.what(), format!("{} {}", desired.chain, drift.rule()));
        }
    }
    for address in rules.addresses {
        if filter.sees(Family::of(*address)) && !address_set::has(nft, table, rules.id, *address)? {
            let set = address_set::of_family(table, Family::of(*address)).name;
            let owner = rules.id.comment();
            return differs("element not found", format!("{set} {address} of {owner:?}"));
        }
    }
    if let Some(isolation) = isolation_in(filter, rules) {
        for (set, element, desired) in bridge_elements(isolation) {
            let found = nft.element(table.set(set), &element)?.is_some();
            let text = format!("{set} {}", isolation.bridge);
            match desired {
                Some(true) if !found => return differs("element not found", text),
                Some(false) if found => return differs("element of another ingress policy", text),
                _ => {}
            }
        }
    }
    Ok(())
}

/// The policy, in the plugin's own table. A packet dropped in one table is dropped for all.
fn isolation_in<'r>(filter: &ForwardChain, rules: &'r Rules<'_>) -> Option<&'r Isolation<'r>> {
    rules
        .isolation
        .as_ref()
        .filter(|_| filter.kind() == Kind::Own)
}

fn families(filter: &ForwardChain) -> impl Iterator<Item = Family> {
    [Family::V4, Family::V6]
        .into_iter()
        .filter(|family| filter.sees(*family))
}

/// The desired chains.
fn chains(
    nft: &Nft,
    filter: &ForwardChain,
    rules: &Rules<'_>,
) -> Result<Vec<DesiredChain<Rule>>, NetlinkError> {
    let rule = || Rule::new(filter.family);
    let answers = ConntrackState::ESTABLISHED | ConntrackState::RELATED;
    let accepted = families(filter).flat_map(|family| {
        let set = address_set::of_family(filter.table(), family).name;
        [
            rule().in_set(&[Field::Source(family)], set).accept(),
            rule()
                .in_set(&[Field::Destination(family)], set)
                .conntrack_state(answers)
                .accept(),
        ]
    });
    let to_admin = rule().jump(rules.admin_chain).with_comment(ADMIN_COMMENT);
    let accepting = DesiredChain {
        first: vec![to_admin],
        then: accepted.collect(),
        ..DesiredChain::empty(ACCEPTING)
    };
    let mut forward = DesiredChain {
        first: vec![rule().jump(ACCEPTING)],
        ..DesiredChain::empty(&filter.chain)
    };
    let mut chains = vec![accepting];
    if filter.kind() == Kind::Own {
        let to_isolating = rule().jump(STAGE_1);
        let listed = nft.rules(filter.table().chain(&filter.chain))?;
        let isolates = isolation_in(filter, rules).is_some();
        if isolates {
            chains.extend(isolating(filter));
        }
        // The jump of another network's policy must stay first.
        if isolates || listed.iter().any(|held| held.same_as(&to_isolating)) {
            forward.first.insert(0, to_isolating);
        }
    }
    chains.push(forward);
    Ok(chains)
}

fn isolating(filter: &ForwardChain) -> [DesiredChain<Rule>; 2] {
    const BOTH: [Field; 2] = [Field::InInterface, Field::OutInterface];
    let rule = || Rule::new(filter.family);
    let stage_1 = vec![
        rule().in_set(&BOTH, ISOLATED).drop(),
        rule().in_set(&BOTH, SAME_BRIDGE).return_to_caller(),
        rule().in_set(&BOTH[..1], BRIDGES).jump(STAGE_2),
    ];
    let stage_2 = vec![rule().in_set(&BOTH[1..], BRIDGES).drop()];
    let chain = |name, first| DesiredChain {
        first,
        ..DesiredChain::empty(name)
    };
    [chain(STAGE_1, stage_1), chain(STAGE_2, stage_2)]
}

/// Adds the sets of the policies and the elements of a bridge.
fn isolate(
    nft: &Nft,
    table: Table<'_>,
    isolation: &Isolation<'_>,
    changes: &mut Transaction,
) -> Result<(), NetlinkError> {
    const PAIR: SetLayout<'_> = SetLayout::set(&[DataType::Interface, DataType::Interface]);
    const SINGLE: SetLayout<'_> = SetLayout::set(&[DataType::Interface]);
    for (set, layout) in [(BRIDGES, SINGLE), (SAME_BRIDGE, PAIR), (ISOLATED, PAIR)] {
        changes.add_set(table.set(set), &layout);
    }
    for (set, element, desired) in bridge_elements(isolation) {
        match desired {
            Some(true) => _ = changes.add_elements(table.set(set), &[element]),
            Some(false) if nft.element(table.set(set), &element)?.is_some() => {
                changes.delete_elements(table.set(set), &[element]);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The elements of a bridge, and whether they must exist; `None` if another network decides.
fn bridge_elements(isolation: &Isolation<'_>) -> [(&'static str, Element, Option<bool>); 3] {
    let name = Value::Interface(isolation.bridge);
    let isolated = match isolation.policy {
        Policy::Isolated => Some(true),
        _ if isolation.keep_isolated => None,
        _ => Some(false),
    };
    [
        (BRIDGES, Element::new(&[name]), Some(true)),
        (SAME_BRIDGE, Element::new(&[name, name]), Some(true)),
        (ISOLATED, Element::new(&[name, name]), isolated),
    ]
}
