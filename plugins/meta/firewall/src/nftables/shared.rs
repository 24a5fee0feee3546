//! The rules of a table that iptables' tools share: those that iptables would write.

use ferrule_kernel::{Family, NetlinkError};
use ferrule_net::NetError;
use ferrule_netfilter::nft::{ChainLayout, ListedRule, Nft, Transaction};

use super::{Rules, reconcile};
use crate::chains::{self, ACCEPTING};
use crate::config::ForwardChain;
use crate::error::mismatch;
use crate::reconcile::DesiredChain;
use crate::removal::{self, Removal, addresses_of, rules_to_delete};
use crate::rule::Rule;

/// Adds the changes that make the table the desired one.
pub(super) fn plan(
    nft: &Nft,
    filter: &ForwardChain,
    family: Family,
    rules: &Rules<'_>,
    changes: &mut Transaction,
) -> Result<(), NetlinkError> {
    let chains = chains(nft, filter, family, rules)?;
    for desired in &chains {
        if desired.chain != filter.chain {
            let chain = filter.table().chain(&desired.chain);
            nft.add_missing_chain(changes, chain, &ChainLayout::regular())?;
        }
    }
    for desired in &chains {
        let listed = nft.rules(filter.table().chain(&desired.chain))?;
        let is = |held: &ListedRule, rule: &Rule| rule.held(held).is_some();
        reconcile(
            &listed,
            filter.table(),
            desired,
            is,
            |rule| &rule.nft,
            changes,
        );
    }
    Ok(())
}

/// Compares the table with what [`plan`] writes.
pub(super) fn check(
    nft: &Nft,
    filter: &ForwardChain,
    family: Family,
    rules: &Rules<'_>,
) -> Result<(), NetError> {
    for desired in chains(nft, filter, family, rules)? {
        let listed = nft.rules(filter.table().chain(&desired.chain))?;
        let is = |place: usize, rule: &Rule| {
            listed
                .get(place)
                .is_some_and(|held| rule.held(held).is_some())
        };
        let Some(drift) = desired.drift(listed.len(), is) else {
            continue;
        };
        let rule = format!("-A {} {}", desired.chain, drift.rule());
        return Err(mismatch(drift.what(), filter.table(), rule));
    }
    Ok(())
}

/// Removes the rules of addresses, whichever back end wrote them.
pub(super) fn remove(
    nft: &Nft,
    filter: &ForwardChain,
    family: Family,
    removals: &[Removal],
    changes: &mut Transaction,
) -> Result<(), NetlinkError> {
    let removals = removal::of_family(removals, family);
    if removals.is_empty() {
        return Ok(());
    }
    let chain = filter.table().chain(ACCEPTING);
    let listed = nft.rules(chain)?;
    let is = |place: usize, rule: &Rule| {
        listed
            .get(place)
            .is_some_and(|held| rule.held(held).is_some())
    };
    for place in rules_to_delete(&removals, listed.len(), chains::of_address, is) {
        if let Some(held) = listed.get(place) {
            changes.delete_rule(chain, held.handle);
        }
    }
    Ok(())
}

/// The desired chains; none if there is no address of the table's family.
fn chains(
    nft: &Nft,
    filter: &ForwardChain,
    family: Family,
    rules: &Rules<'_>,
) -> Result<Vec<DesiredChain<Rule>>, NetlinkError> {
    let addresses = addresses_of(rules.addresses, family);
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let listed = nft.rules(filter.table().chain(&filter.chain))?;
    let has = |rule: &Rule| listed.iter().any(|held| rule.held(held).is_some());
    let mut chains = chains::accepting(family, rules.admin_chain, &addresses).to_vec();
    chains.push(chains::forward(family, &filter.chain, true, false, has));
    Ok(chains)
}
