//! The rules of a table that iptables' tools work on, too: those iptables would write itself.

use ferrule_kernel::{Family, NetlinkError};
use ferrule_netfilter::nft::{ChainLayout, ListedRule, Nft, Transaction};

use super::home::Home;
use super::{Rules, arrange};
use crate::arrange::{Fault, Wanted};
use crate::error::FirewallError;
use crate::layout::{self, ACCEPTING};
use crate::target::{self, Target, addresses_of, doomed};
use crate::written::Prepared;

/// Adds what makes the table as it is to be.
pub(super) fn plan(
    nft: &Nft,
    home: &Home,
    family: Family,
    rules: &Rules<'_>,
    changes: &mut Transaction,
) -> Result<(), NetlinkError> {
    let chains = chains(nft, home, family, rules)?;
    for wanted in &chains {
        if wanted.chain != home.forward {
            let chain = home.table().chain(&wanted.chain);
            nft.add_missing_chain(changes, chain, &ChainLayout::regular())?;
        }
    }
    for wanted in &chains {
        let listed = nft.rules(home.table().chain(&wanted.chain))?;
        let is = |held: &ListedRule, rule: &Prepared| rule.held(held).is_some();
        arrange(
            &listed,
            home.table(),
            wanted,
            is,
            |rule| &rule.current.rule,
            changes,
        );
    }
    Ok(())
}

/// Compares the table with what [`plan`] makes of it.
pub(super) fn check(
    nft: &Nft,
    home: &Home,
    family: Family,
    rules: &Rules<'_>,
) -> Result<(), FirewallError> {
    for wanted in chains(nft, home, family, rules)? {
        let listed = nft.rules(home.table().chain(&wanted.chain))?;
        let is = |place: usize, rule: &Prepared| {
            listed
                .get(place)
                .is_some_and(|held| rule.held(held).is_some())
        };
        let (what, rule) = match wanted.fault(listed.len(), is) {
            None => continue,
            Some(Fault::Missing(rule)) => ("rule not found", rule),
            Some(Fault::Misplaced(rule)) => ("rule in the wrong place", rule),
            Some(Fault::Extra(rule)) => ("rule too many", rule),
        };
        return Err(FirewallError::Mismatch {
            what,
            place: home.table().to_string(),
            rule: format!("-A {} {rule}", wanted.chain),
        });
    }
    Ok(())
}

/// Takes the rules of addresses out, whichever back end made them.
pub(super) fn remove(
    nft: &Nft,
    home: &Home,
    family: Family,
    targets: &[Target],
    changes: &mut Transaction,
) -> Result<(), NetlinkError> {
    let targets = target::of_family(targets, family);
    if targets.is_empty() {
        return Ok(());
    }
    let chain = home.table().chain(ACCEPTING);
    let listed = nft.rules(chain)?;
    let prepare = |address| layout::of_address(address).map(|form| form.prepare(family));
    let is = |place: usize, rule: &Prepared| {
        listed
            .get(place)
            .is_some_and(|held| rule.held(held).is_some())
    };
    for place in doomed(&targets, listed.len(), prepare, is) {
        if let Some(held) = listed.get(place) {
            changes.delete_rule(chain, held.handle);
        }
    }
    Ok(())
}

/// The chains as they are to be; none if there is no address for the table to let through.
fn chains(
    nft: &Nft,
    home: &Home,
    family: Family,
    rules: &Rules<'_>,
) -> Result<Vec<Wanted<Prepared>>, NetlinkError> {
    let addresses = addresses_of(rules.addresses, family);
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let listed = nft.rules(home.table().chain(&home.forward))?;
    let has = |form: &crate::form::Form| {
        let rule = form.prepare(family);
        listed.iter().any(|held| rule.held(held).is_some())
    };
    let mut chains = layout::accepting(rules.admin_chain, &addresses).to_vec();
    chains.push(layout::forward(&home.forward, true, false, has));
    let prepared = chains.into_iter();
    Ok(prepared
        .map(|wanted| wanted.map(|form| form.prepare(family)))
        .collect())
}
