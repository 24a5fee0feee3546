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
use ferrule_netfilter::nft::{
    BaseChain, ChainKind, ChainLayout, ConntrackState, DataType, Element, Field, Hook, ListedRule,
    Nft, Rule, SetLayout, Table, Transaction, Value,
};

use super::filter_table::{FilterTable, Kind};
use super::{Rules, address_set, is_forward, reconcile};
use crate::chains::{ACCEPTING, ADMIN_COMMENT, Isolation, STAGE_1, STAGE_2};
use crate::config::Policy;
use crate::error::FirewallError;
use crate::reconcile::{DesiredChain, Drift};

/// `NF_IP_PRI_FILTER`
const FILTER: i32 = 0;
const BASE: BaseChain = BaseChain::new(ChainKind::Filter, Hook::Forward, FILTER);
const TABLE_COMMENT: &str = "what the CNI plugin firewall lets through";

/// The sets of bridges with a policy, of pairs of such a bridge with itself, and of those pairs with
/// the policy `isolated`.
const BRIDGES: &str = "cni_bridges";
const SAME_BRIDGE: &str = "cni_same_bridge";
const ISOLATED: &str = "cni_isolated_bridges";

/// A rule, and how `nft` prints it.
struct NftRule {
    text: String,
    rule: Rule,
}

impl NftRule {
    fn is(&self, held: &ListedRule) -> bool {
        held.same_as(&self.rule)
    }
}

/// Adds the changes that make the table the desired one.
pub(super) fn plan(
    nft: &Nft,
    filter: &FilterTable,
    rules: &Rules<'_>,
    changes: &mut Transaction,
) -> Result<(), NetlinkError> {
    let table = filter.table();
    if filter.kind == Kind::Own {
        changes.add_table(table, Some(TABLE_COMMENT));
        let forward = table.chain(&filter.forward);
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
        let is = |held: &ListedRule, nft_rule: &NftRule| nft_rule.is(held);
        reconcile(
            &listed,
            table,
            &desired,
            is,
            |nft_rule| &nft_rule.rule,
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
pub(super) fn check(
    nft: &Nft,
    filter: &FilterTable,
    rules: &Rules<'_>,
) -> Result<(), FirewallError> {
    let table = filter.table();
    let differs = |what, rule: String| {
        let place = table.to_string();
        Err(FirewallError::Mismatch { what, place, rule })
    };
    let forward = nft.chain(table.chain(&filter.forward))?;
    if !forward.is_some_and(|chain| is_forward(chain.base)) {
        return differs(
            "chain not found",
            format!("{} at the forward hook", filter.forward),
        );
    }
    for desired in chains(nft, filter, rules)? {
        let listed = nft.rules(table.chain(&desired.chain))?;
        let is = |place: usize, nft_rule: &NftRule| {
            listed.get(place).is_some_and(|held| nft_rule.is(held))
        };
        let at = |nft_rule: &NftRule| format!("{} {}", desired.chain, nft_rule.text);
        match desired.drift(listed.len(), is) {
            None => {}
            Some(Drift::Missing(nft_rule)) => return differs("rule not found", at(nft_rule)),
            Some(Drift::Misplaced(nft_rule)) => {
                return differs("rule in the wrong place", at(nft_rule));
            }
            Some(Drift::Extra(nft_rule)) => return differs("rule too many", at(nft_rule)),
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
fn isolation_in<'r>(filter: &FilterTable, rules: &'r Rules<'_>) -> Option<&'r Isolation<'r>> {
    rules
        .isolation
        .as_ref()
        .filter(|_| filter.kind == Kind::Own)
}

fn families(filter: &FilterTable) -> impl Iterator<Item = Family> {
    [Family::V4, Family::V6]
        .into_iter()
        .filter(|family| filter.sees(*family))
}

/// The desired chains.
fn chains(
    nft: &Nft,
    filter: &FilterTable,
    rules: &Rules<'_>,
) -> Result<Vec<DesiredChain<NftRule>>, NetlinkError> {
    let rule = || Rule::new(filter.family);
    let jump = |chain: &str, comment: Option<&str>| NftRule {
        text: format!("jump {chain}"),
        rule: match comment {
            Some(comment) => rule().jump(chain).with_comment(comment),
            None => rule().jump(chain),
        },
    };
    let answers = ConntrackState::ESTABLISHED | ConntrackState::RELATED;
    let accepted = families(filter).flat_map(|family| {
        let set = address_set::of_family(filter.table(), family).name;
        let ip = if family == Family::V4 { "ip" } else { "ip6" };
        [
            NftRule {
                text: format!("{ip} saddr @{set} accept"),
                rule: rule().in_set(&[Field::Source(family)], set).accept(),
            },
            NftRule {
                text: format!("{ip} daddr @{set} ct state established,related accept"),
                rule: rule()
                    .in_set(&[Field::Destination(family)], set)
                    .conntrack_state(answers)
                    .accept(),
            },
        ]
    });
    let accepting = DesiredChain {
        first: vec![jump(rules.admin_chain, Some(ADMIN_COMMENT))],
        then: accepted.collect(),
        ..DesiredChain::empty(ACCEPTING)
    };
    let mut forward = DesiredChain {
        first: vec![jump(ACCEPTING, None)],
        ..DesiredChain::empty(&filter.forward)
    };
    let mut chains = vec![accepting];
    if filter.kind == Kind::Own {
        let to_isolating = jump(STAGE_1, None);
        let listed = nft.rules(filter.table().chain(&filter.forward))?;
        let isolates = isolation_in(filter, rules).is_some();
        if isolates {
            chains.extend(isolating(filter));
        }
        // The jump of another network's policy must stay first.
        if isolates || listed.iter().any(|held| to_isolating.is(held)) {
            forward.first.insert(0, to_isolating);
        }
    }
    chains.push(forward);
    Ok(chains)
}

fn isolating(filter: &FilterTable) -> [DesiredChain<NftRule>; 2] {
    const BOTH: [Field; 2] = [Field::InInterface, Field::OutInterface];
    let rule = || Rule::new(filter.family);
    let nft_rule = |text: String, rule: Rule| NftRule { text, rule };
    let stage_1 = vec![
        nft_rule(
            format!("iifname . oifname @{ISOLATED} drop"),
            rule().in_set(&BOTH, ISOLATED).drop(),
        ),
        nft_rule(
            format!("iifname . oifname @{SAME_BRIDGE} return"),
            rule().in_set(&BOTH, SAME_BRIDGE).return_to_caller(),
        ),
        nft_rule(
            format!("iifname @{BRIDGES} jump {STAGE_2}"),
            rule().in_set(&BOTH[..1], BRIDGES).jump(STAGE_2),
        ),
    ];
    let stage_2 = vec![nft_rule(
        format!("oifname @{BRIDGES} drop"),
        rule().in_set(&BOTH[1..], BRIDGES).drop(),
    )];
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
