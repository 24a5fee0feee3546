//! Letting packets through by iptables' filter tables, in the rules of the Go plugin.

mod filter;

use std::net::IpAddr;

use ferrule_kernel::Family;
use ferrule_netfilter::iptables::{Restore, Tool};

use crate::arrange::{Fault, Step, Wanted};
use crate::error::FirewallError;
use crate::layout::{self, FORWARD, Isolation};
use crate::target::{Target, addresses_of, doomed, of_family};
use crate::written::Prepared;
use filter::Filter;

/// The table of everything that lets packets through or not.
const TABLE: &str = "filter";

/// What an attachment is to get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) addresses: &'a [IpAddr],
    /// The administrator's chain, if iptables is what lets packets through.
    pub(crate) admin_chain: Option<&'a str>,
    pub(crate) isolation: Option<Isolation<'a>>,
}

/// Makes the rules: one process per family where `nf_tables` holds the tables, else two or three.
pub(crate) fn add(rules: &Rules<'_>) -> Result<(), FirewallError> {
    rules.families().try_for_each(|family| {
        Tool::find(family)?.update(|changes| {
            let filter = Filter::open(family)?;
            plan(&filter, &rules.wanted(&filter)?, changes)
        })
    })
}

/// The first thing that is not as [`add`] leaves it is the error.
pub(crate) fn check(rules: &Rules<'_>) -> Result<(), FirewallError> {
    rules.families().try_for_each(|family| {
        let filter = Filter::open(family)?;
        rules
            .wanted(&filter)?
            .iter()
            .try_for_each(|wanted| check_chain(&filter, wanted))
    })
}

/// Takes the rules of addresses out of tables of the older variant, which the kernel itself
/// cannot be asked to do.
pub(crate) fn remove_from_older_tables(targets: &[Target]) -> Result<(), FirewallError> {
    for family in [Family::V4, Family::V6] {
        let targets = of_family(targets, family);
        if targets.is_empty() {
            continue;
        }
        for tool in Tool::installed(family) {
            if filter::is_held_by_nf_tables(&tool) || !tool.has_chain(TABLE, layout::ACCEPTING)? {
                continue;
            }
            remove_with(&tool, &targets)?;
        }
    }
    Ok(())
}

fn remove_with(tool: &Tool, targets: &[&Target]) -> Result<(), FirewallError> {
    let prepare = |address| layout::of_address(address).map(|form| form.prepare(tool.family()));
    tool.update(|changes| {
        let listed = tool.rules(TABLE, layout::ACCEPTING)?.unwrap_or_default();
        let is = |place: usize, rule: &Prepared| {
            listed
                .get(place)
                .is_some_and(|listed| rule.listed(listed).is_some())
        };
        for place in doomed(targets, listed.len(), prepare, is) {
            if let Some(rule) = listed.get(place) {
                changes.table(TABLE).delete_listed(rule);
            }
        }
        Ok(())
    })
}

/// Fails if the tool for IPv4 does not work. IPv6 may be off, or not wanted.
pub(crate) fn probe() -> Result<(), FirewallError> {
    Ok(Tool::find(Family::V4)?.probe()?)
}

impl Rules<'_> {
    /// The families there is something to do for.
    fn families(&self) -> impl Iterator<Item = Family> {
        let concerns = |family: &Family| !addresses_of(self.addresses, *family).is_empty();
        [Family::V4, Family::V6].into_iter().filter(concerns)
    }

    /// The chains of one family as they are to be.
    fn wanted(&self, filter: &Filter) -> Result<Vec<Wanted<Prepared>>, FirewallError> {
        let family = filter.family();
        let addresses = addresses_of(self.addresses, family);
        let mut wanted = Vec::new();
        if let Some(admin_chain) = self.admin_chain {
            wanted.extend(layout::accepting(admin_chain, &addresses));
        }
        if let Some(isolation) = &self.isolation {
            wanted.extend(layout::isolating(isolation));
        }
        let forward = filter.chain(FORWARD)?;
        wanted.push(layout::forward(
            FORWARD,
            self.admin_chain.is_some(),
            self.isolation.is_some(),
            |form| forward.has(&form.prepare(family)),
        ));
        let prepare =
            |wanted: Wanted<_>| wanted.map(|form: &crate::form::Form| form.prepare(family));
        Ok(wanted.into_iter().map(prepare).collect())
    }
}

/// Adds the changes that make the chains of a table the wanted ones. New chains come first, because
/// rules jump to them.
fn plan(
    filter: &Filter,
    chains: &[Wanted<Prepared>],
    changes: &mut Restore,
) -> Result<(), FirewallError> {
    for wanted in chains {
        if wanted.chain != FORWARD && !filter.has_chain(&wanted.chain)? {
            changes.table(TABLE).create_chain(&wanted.chain);
        }
    }
    for wanted in chains {
        let listing = filter.chain(&wanted.chain)?;
        let chain = &wanted.chain;
        for step in wanted.steps(listing.len(), |place, rule| listing.is(place, rule)) {
            match step {
                Step::Delete(place) => {
                    let mut ours = wanted.first.iter().chain(&wanted.never);
                    if let Some(written) = ours.find_map(|rule| listing.written(place, rule)) {
                        changes.table(TABLE).delete(chain, &written.words);
                    }
                }
                Step::Insert(rule) => _ = changes.table(TABLE).insert(chain, &rule.current.words),
                Step::Append(rule) => _ = changes.table(TABLE).append(chain, &rule.current.words),
            }
        }
    }
    Ok(())
}

fn check_chain(filter: &Filter, wanted: &Wanted<Prepared>) -> Result<(), FirewallError> {
    let chain = &wanted.chain;
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
    match wanted.fault(listing.len(), |place, rule| listing.is(place, rule)) {
        None => Ok(()),
        // Should the tools write it in a way unknown here, they know best.
        Some(Fault::Missing(rule))
            if filter.tool().has_rule(TABLE, chain, &rule.current.words)? =>
        {
            Ok(())
        }
        Some(Fault::Missing(rule)) => differs("rule not found", rule.to_string()),
        Some(Fault::Misplaced(rule)) => differs("rule in the wrong place", rule.to_string()),
        Some(Fault::Extra(rule)) => differs("rule of another ingress policy", rule.to_string()),
    }
}
