//! Routing rules, one per address.

use std::net::IpAddr;

use cni_types::{Error, IpConfig};
use ferrule_kernel::{IpNetwork, NewRule, Rule};
use ferrule_net::{NetError, Sandbox, routing};
use ferrule_plugin::Undo;

/// The rule that looks up `table` for packets from `address`.
pub(crate) fn rule(address: IpAddr, table: u32) -> NewRule {
    NewRule {
        source: IpNetwork::from(address),
        table,
        priority: None,
    }
}

/// ADD with a configured table: adds a rule for each address that has none.
pub(crate) fn add(
    sandbox: &Sandbox,
    ips: &[IpConfig],
    table: u32,
    undo: &mut Undo,
) -> Result<(), Error> {
    let known = routing::rules(sandbox)?;
    let is_known = |new: &NewRule| {
        known
            .iter()
            .any(|rule| rule.source == Some(new.source) && rule.table == Some(new.table))
    };
    let new = ips.iter().map(|ip| rule(ip.address.address(), table));
    let new: Vec<NewRule> = new.filter(|new| !is_known(new)).collect();
    let (added, inside) = (new.clone(), sandbox.clone());
    undo.push("remove the routing rules", move || {
        Ok(delete_all(&inside, &added)?)
    });
    Ok(add_all(sandbox, &new)?)
}

/// Adds rules; the kernel adds each before the existing ones.
pub(crate) fn add_all(sandbox: &Sandbox, rules: &[NewRule]) -> Result<(), NetError> {
    let mut batch = sandbox.batch();
    for rule in rules {
        batch.add(rule.add());
    }
    Ok(batch.run()?)
}

/// Deletes rules, ignoring missing ones; continues after an error and returns the first.
pub(crate) fn delete_all(sandbox: &Sandbox, rules: &[NewRule]) -> Result<(), NetError> {
    let mut outcome = Ok(());
    for rule in rules {
        if let Err(error) = sandbox.delete_rule(rule) {
            outcome = outcome.and(Err(error.into()));
        }
    }
    outcome
}

/// DEL: deletes the rules for single addresses that the interface has, or had according to the
/// previous result (`recorded`), of all tables or of the configured one.
///
/// The addresses are all that identifies a rule, also one of the Go plugin.
pub(crate) fn delete(
    sandbox: &Sandbox,
    ifname: &str,
    recorded: Vec<IpAddr>,
    table: Option<u32>,
) -> Result<(), NetError> {
    let mut addresses = recorded;
    if let Some(link) = sandbox.link_by_name(ifname)? {
        let present = match sandbox.addresses(link.index, None) {
            // The interface was removed meanwhile.
            Err(error) if error.is_not_found() => Vec::new(),
            other => other?,
        };
        addresses.extend(present.iter().map(|one| one.address.ip()));
    }
    let to_delete = |rule: &Rule| {
        let source = rule.source?;
        let found = rule
            .table
            .filter(|found| table.is_none_or(|table| *found == table))?;
        let is_single = addresses.iter().any(|one| IpNetwork::from(*one) == source);
        is_single.then_some(NewRule {
            source,
            table: found,
            priority: Some(rule.priority),
        })
    };
    let rules = routing::rules(sandbox)?;
    let rules: Vec<NewRule> = rules.iter().filter_map(to_delete).collect();
    delete_all(sandbox, &rules)
}
