//! The iptables back end: the rules of the Go plugin in table `filter`.

mod filter;

use std::net::IpAddr;

use ferrule_kernel::Family;
use ferrule_netfilter::iptables::{Restore, Tool};

use crate::chains::{self, FORWARD, Isolation};
use crate::compiled_rule::CompiledRule;
use crate::error::FirewallError;
use crate::reconcile::{DesiredChain, Drift, Op};
use crate::removal::{Removal, addresses_of, of_family, rules_to_delete};
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
pub(crate) fn add(rules: &Rules<'_>) -> Result<(), FirewallError> {
    rules.families().try_for_each(|family| {
        Tool::find(family)?.update(|changes| {
            let filter = Filter::open(family)?;
            plan(&filter, &rules.desired(&filter)?, changes)
        })
    })
}

/// Fails for the first difference from what [`add`] writes.
pub(crate) fn check(rules: &Rules<'_>) -> Result<(), FirewallError> {
    rules.families().try_for_each(|family| {
        let filter = Filter::open(family)?;
        rules
            .desired(&filter)?
            .iter()
            .try_for_each(|desired| check_chain(&filter, desired))
    })
}

/// Removes the rules of addresses from tables of the older variant, which netlink does not reach.
pub(crate) fn remove_from_older_tables(removals: &[Removal]) -> Result<(), FirewallError> {
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

fn remove_with(tool: &Tool, removals: &[&Removal]) -> Result<(), FirewallError> {
    let compile = |address| chains::of_address(address).map(|spec| spec.compile(tool.family()));
    tool.update(|changes| {
        let listed = tool.rules(TABLE, chains::ACCEPTING)?.unwrap_or_default();
        let is = |place: usize, rule: &CompiledRule| {
            listed
                .get(place)
                .is_some_and(|listed| rule.listed(listed).is_some())
        };
        for place in rules_to_delete(removals, listed.len(), compile, is) {
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
    fn desired(&self, filter: &Filter) -> Result<Vec<DesiredChain<CompiledRule>>, FirewallError> {
        let family = filter.family();
        let addresses = addresses_of(self.addresses, family);
        let mut desired = Vec::new();
        if let Some(admin_chain) = self.admin_chain {
            desired.extend(chains::accepting(admin_chain, &addresses));
        }
        if let Some(isolation) = &self.isolation {
            desired.extend(chains::isolating(isolation));
        }
        let forward = filter.chain(FORWARD)?;
        desired.push(chains::forward(
            FORWARD,
            self.admin_chain.is_some(),
            self.isolation.is_some(),
            |spec| forward.has(&spec.compile(family)),
        ));
        let compile = |desired: DesiredChain<_>| {
            desired.map(|spec: &crate::rule_spec::RuleSpec| spec.compile(family))
        };
        Ok(desired.into_iter().map(compile).collect())
    }
}

/// Adds the changes that make the chains of a table the desired ones. New chains come first, because
/// rules jump to them.
fn plan(
    filter: &Filter,
    chains: &[DesiredChain<CompiledRule>],
    changes: &mut Restore,
) -> Result<(), FirewallError> {
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

fn check_chain(filter: &Filter, desired: &DesiredChain<CompiledRule>) -> Result<(), FirewallError> {
    let chain = &desired.chain;
    let differs = |what, rule: String| {
        let (place, rule) = (filter.to_string(), format!("-A {chain} {rule}"));
        Err(FirewallError::Mismatch { what, place, rule })
    };
    if !filter.has_chain(chain)? {
        let (what, place) = ("chain not found", filter.to_string());
        let rule = chain.clone();
        return Err(FirewallError::Mismatch { what, place, rule });
    }
    let listing = filter.chain(chain)?;
    match desired.drift(listing.len(), |place, rule| listing.is(place, rule)) {
        None => Ok(()),
        // The tools may print the rule in another form; ask them.
        Some(Drift::Missing(rule)) if filter.tool().has_rule(TABLE, chain, &rule.iptables)? => {
            Ok(())
        }
        Some(Drift::Missing(rule)) => differs("rule not found", rule.to_string()),
        Some(Drift::Misplaced(rule)) => differs("rule in the wrong place", rule.to_string()),
        Some(Drift::Extra(rule)) => differs("rule of another ingress policy", rule.to_string()),
    }
}
