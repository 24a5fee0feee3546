//! The iptables back end: the rules of the Go plugin in table `filter`.

mod filter;

use std::net::IpAddr;

use ferrule_kernel::Family;
use ferrule_net::NetError;
use ferrule_netfilter::iptables::{Restore, Tool};

use crate::chains::{self, FORWARD, Isolation};
use crate::error::mismatch;
use crate::reconcile::{DesiredChain, Drift, Op};
use crate::removal::{Removal, addresses_of, of_family, rules_to_delete};
use crate::rule::Rule;
use filter::Filter;

/// The table of the rules.
const TABLE: &str = "filter";

/// The rules of an attachment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) addresses: &'a [IpAddr],
    /// The administrator's chain, if iptables accepts the packets.
    pub(crate) admin_chain: Option<&'a str>,
    pub(crate) isolation: Option<Isolation<'a>>,
}

/// Writes the rules: one process per family if `nf_tables` holds the tables, else two or three.
pub(crate) fn add(rules: &Rules<'_>) -> Result<(), NetError> {
    rules.families().try_for_each(|family| {
        Tool::find(family)?.update(|changes| {
            let filter = Filter::open(family)?;
            plan(&filter, &rules.desired(&filter)?, changes)
        })
    })
}

/// Fails for the first difference from what [`add`] writes.
pub(crate) fn check(rules: &Rules<'_>) -> Result<(), NetError> {
    rules.families().try_for_each(|family| {
        let filter = Filter::open(family)?;
        rules
            .desired(&filter)?
            .iter()
            .try_for_each(|desired| check_chain(&filter, desired))
    })
}

/// Removes the rules of addresses from tables of the older variant, which netlink does not reach.
pub(crate) fn remove_from_older_tables(removals: &[Removal]) -> Result<(), NetError> {
    for family in [Family::V4, Family::V6] {
        let removals = of_family(removals, family);
        if removals.is_empty() {
            continue;
        }
        for tool in Tool::installed(family) {
            if filter::is_held_by_nf_tables(&tool) || !tool.has_chain(TABLE, chains::ACCEPTING)? {
                continue;
            }
            remove_with(&tool, &removals)?;
        }
    }
    Ok(())
}

fn remove_with(tool: &Tool, removals: &[&Removal]) -> Result<(), NetError> {
    tool.update(|changes| {
        let listed = tool.rules(TABLE, chains::ACCEPTING)?.unwrap_or_default();
        let is = |place: usize, rule: &Rule| {
            listed
                .get(place)
                .is_some_and(|listed| rule.listed(listed).is_some())
        };
        for place in rules_to_delete(removals, listed.len(), chains::of_address, is) {
            if let Some(rule) = listed.get(place) {
                changes.table(TABLE).delete_listed(rule);
            }
        }
        Ok(())
    })
}

impl Rules<'_> {
    /// The families of the addresses.
    fn families(&self) -> impl Iterator<Item = Family> {
        let concerns = |family: &Family| !addresses_of(self.addresses, *family).is_empty();
        [Family::V4, Family::V6].into_iter().filter(concerns)
    }

    /// The desired chains of one family.
    fn desired(&self, filter: &Filter) -> Result<Vec<DesiredChain<Rule>>, NetError> {
        let family = filter.family();
        let addresses = addresses_of(self.addresses, family);
        let mut desired = Vec::new();
        if let Some(admin_chain) = self.admin_chain {
            desired.extend(chains::accepting(family, admin_chain, &addresses));
        }
        if let Some(isolation) = &self.isolation {
            desired.extend(chains::isolating(family, isolation));
        }
        let forward = filter.chain(FORWARD)?;
        desired.push(chains::forward(
            family,
            FORWARD,
            self.admin_chain.is_some(),
            self.isolation.is_some(),
            |rule| forward.has(rule),
        ));
        Ok(desired)
    }
}

/// Adds the changes that make the chains of a table the desired ones. New chains come first, because
/// rules jump to them.
fn plan(
    filter: &Filter,
    chains: &[DesiredChain<Rule>],
    changes: &mut Restore,
) -> Result<(), NetError> {
    for desired in chains {
        if desired.chain != FORWARD && !filter.has_chain(&desired.chain)? {
            changes.table(TABLE).create_chain(&desired.chain);
        }
    }
    for desired in chains {
        let listing = filter.chain(&desired.chain)?;
        let chain = &desired.chain;
        for op in desired.ops(listing.len(), |place, rule| listing.is(place, rule)) {
            match op {
                Op::Delete(place) => {
                    let mut ours = desired.first.iter().chain(&desired.never);
                    if let Some(form) = ours.find_map(|rule| listing.form(place, rule)) {
                        changes.table(TABLE).delete(chain, form);
                    }
                }
                Op::Insert(rule) => _ = changes.table(TABLE).insert(chain, &rule.iptables),
                Op::Append(rule) => _ = changes.table(TABLE).append(chain, &rule.iptables),
            }
        }
    }
    Ok(())
}

fn check_chain(filter: &Filter, desired: &DesiredChain<Rule>) -> Result<(), NetError> {
    let chain = &desired.chain;
    if !filter.has_chain(chain)? {
        return Err(mismatch("chain not found", filter, chain));
    }
    let listing = filter.chain(chain)?;
    match desired.drift(listing.len(), |place, rule| listing.is(place, rule)) {
        None => Ok(()),
        // The tools may print the rule in another form; ask them.
        Some(Drift::Missing(rule)) if filter.tool().has_rule(TABLE, chain, &rule.iptables)? => {
            Ok(())
        }
        Some(drift) => {
            let rule = format_args!("-A {chain} {}", drift.rule()).to_string();
            Err(mismatch(drift.what(), filter, rule))
        }
    }
}
