//! The rules of a table that is the plugin's own, or the administrator's.
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

use super::home::{Home, Kind};
use super::{Rules, address_set, arrange, is_forward};
use crate::arrange::{Fault, Wanted};
use crate::config::Policy;
use crate::error::FirewallError;
use crate::layout::{ACCEPTING, ADMIN_COMMENT, Isolation, STAGE_1, STAGE_2};

/// `NF_IP_PRI_FILTER`
const FILTER: i32 = 0;
const BASE: BaseChain = BaseChain::new(ChainKind::Filter, Hook::Forward, FILTER);
const TABLE_COMMENT: &str = "what the CNI plugin firewall lets through";

/// Bridges with a policy; such a bridge twice, and if its containers are isolated.
const BRIDGES: &str = "cni_bridges";
const SAME_BRIDGE: &str = "cni_same_bridge";
const ISOLATED: &str = "cni_isolated_bridges";

/// A rule and how the `nft` tool would print it.
struct Sentence {
    text: String,
    rule: Rule,
}

impl Sentence {
    fn is(&self, held: &ListedRule) -> bool {
        held.same_as(&self.rule)
    }
}

/// Adds what makes the table as it is to be.
pub(super) fn plan(
    nft: &Nft,
    home: &Home,
    rules: &Rules<'_>,
    changes: &mut Transaction,
) -> Result<(), NetlinkError> {
    let table = home.table();
    if home.kind == Kind::Own {
        changes.add_table(table, Some(TABLE_COMMENT));
        let forward = table.chain(&home.forward);
        let found = nft.chain(forward)?;
        // The kernel refuses to make another kind of chain of one that is there.
        if !found.is_some_and(|chain| is_forward(chain.base)) {
            changes.add_chain(forward, &ChainLayout::base(BASE));
        }
    }
    for family in families(home) {
        address_set::create(table, family, changes);
    }
    for name in [rules.admin_chain, ACCEPTING] {
        nft.add_missing_chain(changes, table.chain(name), &ChainLayout::regular())?;
    }
    if let Some(isolation) = isolation_in(home, rules) {
        for name in [STAGE_1, STAGE_2] {
            nft.add_missing_chain(changes, table.chain(name), &ChainLayout::regular())?;
        }
        isolate(nft, table, isolation, changes)?;
    }
    for wanted in chains(nft, home, rules)? {
        let listed = nft.rules(table.chain(&wanted.chain))?;
        let is = |held: &ListedRule, sentence: &Sentence| sentence.is(held);
        arrange(
            &listed,
            table,
            &wanted,
            is,
            |sentence| &sentence.rule,
            changes,
        );
    }
    for address in rules.addresses {
        if home.sees(Family::of(*address)) {
            address_set::enter(nft, table, rules.id, *address, changes)?;
        }
    }
    Ok(())
}

/// Compares the table with what [`plan`] makes of it.
pub(super) fn check(nft: &Nft, home: &Home, rules: &Rules<'_>) -> Result<(), FirewallError> {
    let table = home.table();
    let differs = |what, rule: String| {
        let place = table.to_string();
        Err(FirewallError::Mismatch { what, place, rule })
    };
    let forward = nft.chain(table.chain(&home.forward))?;
    if !forward.is_some_and(|chain| is_forward(chain.base)) {
        return differs(
            "chain not found",
            format!("{} at the forward hook", home.forward),
        );
    }
    for wanted in chains(nft, home, rules)? {
        let listed = nft.rules(table.chain(&wanted.chain))?;
        let is = |place: usize, sentence: &Sentence| {
            listed.get(place).is_some_and(|held| sentence.is(held))
        };
        let at = |sentence: &Sentence| format!("{} {}", wanted.chain, sentence.text);
        match wanted.fault(listed.len(), is) {
            None => {}
            Some(Fault::Missing(sentence)) => return differs("rule not found", at(sentence)),
            Some(Fault::Misplaced(sentence)) => {
                return differs("rule in the wrong place", at(sentence));
            }
            Some(Fault::Extra(sentence)) => return differs("rule too many", at(sentence)),
        }
    }
    for address in rules.addresses {
        if home.sees(Family::of(*address)) && !address_set::has(nft, table, rules.id, *address)? {
            let set = address_set::of_family(table, Family::of(*address)).name;
            let owner = address_set::comment(rules.id);
            return differs("element not found", format!("{set} {address} of {owner:?}"));
        }
    }
    if let Some(isolation) = isolation_in(home, rules) {
        for (set, element, wanted) in bridge_elements(isolation) {
            let found = nft.element(table.set(set), &element)?.is_some();
            let text = format!("{set} {}", isolation.bridge);
            match wanted {
                Some(true) if !found => return differs("element not found", text),
                Some(false) if found => return differs("element of another ingress policy", text),
                _ => {}
            }
        }
    }
    Ok(())
}

/// What is dropped is dropped for all tables, so only one needs to.
fn isolation_in<'r>(home: &Home, rules: &'r Rules<'_>) -> Option<&'r Isolation<'r>> {
    rules.isolation.as_ref().filter(|_| home.kind == Kind::Own)
}

fn families(home: &Home) -> impl Iterator<Item = Family> {
    [Family::V4, Family::V6]
        .into_iter()
        .filter(|family| home.sees(*family))
}

/// The chains as they are to be.
fn chains(
    nft: &Nft,
    home: &Home,
    rules: &Rules<'_>,
) -> Result<Vec<Wanted<Sentence>>, NetlinkError> {
    let rule = || Rule::new(home.family);
    let jump = |chain: &str, comment: Option<&str>| Sentence {
        text: format!("jump {chain}"),
        rule: match comment {
            Some(comment) => rule().jump(chain).with_comment(comment),
            None => rule().jump(chain),
        },
    };
    let answers = ConntrackState::ESTABLISHED | ConntrackState::RELATED;
    let accepted = families(home).flat_map(|family| {
        let set = address_set::of_family(home.table(), family).name;
        let ip = if family == Family::V4 { "ip" } else { "ip6" };
        [
            Sentence {
                text: format!("{ip} saddr @{set} accept"),
                rule: rule().in_set(&[Field::Source(family)], set).accept(),
            },
            Sentence {
                text: format!("{ip} daddr @{set} ct state established,related accept"),
                rule: rule()
                    .in_set(&[Field::Destination(family)], set)
                    .conntrack_state(answers)
                    .accept(),
            },
        ]
    });
    let accepting = Wanted {
        first: vec![jump(rules.admin_chain, Some(ADMIN_COMMENT))],
        then: accepted.collect(),
        ..Wanted::chain(ACCEPTING)
    };
    let mut forward = Wanted {
        first: vec![jump(ACCEPTING, None)],
        ..Wanted::chain(&home.forward)
    };
    let mut chains = vec![accepting];
    if home.kind == Kind::Own {
        let to_isolating = jump(STAGE_1, None);
        let listed = nft.rules(home.table().chain(&home.forward))?;
        let isolates = isolation_in(home, rules).is_some();
        if isolates {
            chains.extend(isolating(home));
        }
        // Another network's isolation must stay in front.
        if isolates || listed.iter().any(|held| to_isolating.is(held)) {
            forward.first.insert(0, to_isolating);
        }
    }
    chains.push(forward);
    Ok(chains)
}

fn isolating(home: &Home) -> [Wanted<Sentence>; 2] {
    const BOTH: [Field; 2] = [Field::InInterface, Field::OutInterface];
    let rule = || Rule::new(home.family);
    let sentence = |text: String, rule: Rule| Sentence { text, rule };
    let stage_1 = vec![
        sentence(
            format!("iifname . oifname @{ISOLATED} drop"),
            rule().in_set(&BOTH, ISOLATED).drop(),
        ),
        sentence(
            format!("iifname . oifname @{SAME_BRIDGE} return"),
            rule().in_set(&BOTH, SAME_BRIDGE).return_to_caller(),
        ),
        sentence(
            format!("iifname @{BRIDGES} jump {STAGE_2}"),
            rule().in_set(&BOTH[..1], BRIDGES).jump(STAGE_2),
        ),
    ];
    let stage_2 = vec![sentence(
        format!("oifname @{BRIDGES} drop"),
        rule().in_set(&BOTH[1..], BRIDGES).drop(),
    )];
    let chain = |name, first| Wanted {
        first,
        ..Wanted::chain(name)
    };
    [chain(STAGE_1, stage_1), chain(STAGE_2, stage_2)]
}

/// Adds a bridge's elements, and the sets for them.
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
    for (set, element, wanted) in bridge_elements(isolation) {
        match wanted {
            Some(true) => _ = changes.add_elements(table.set(set), &[element]),
            Some(false) if nft.element(table.set(set), &element)?.is_some() => {
                changes.delete_elements(table.set(set), &[element]);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The elements of a bridge, and whether they are to be there; `None` if that does not matter.
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
