//! ADD without a configured table.

use cni_types::{Error, IpConfig};
use ferrule_kernel::route::{MAIN_TABLE, SCOPE_LINK};
use ferrule_kernel::{Link, NetlinkError, NewRoute, NewRule, RouteCopy};
use ferrule_net::{NetError, Sandbox, routing};
use ferrule_plugin::{Undo, log};

use crate::config::Settings;
use crate::table::TableContent;
use crate::{lock, rules};

/// The lowest table that is chosen.
const FIRST_TABLE: u32 = 100;

/// Adds a table and a rule for each address, and removes the interface's routes from the main table.
///
/// First the tables are filled, then the rules are added, then the main table is emptied: so there is
/// a route at every moment.
pub(crate) fn add(
    sandbox: &Sandbox,
    ifname: &str,
    ips: &[IpConfig],
    settings: &Settings,
    undo: &mut Undo,
) -> Result<(), Error> {
    let _locks = lock::take(sandbox)?;
    let link = sandbox.link(ifname)?;
    let captured = routing::routes(sandbox, Some(MAIN_TABLE), Some(link.index))?;
    let tables = routing::free_tables(sandbox, FIRST_TABLE, ips.len(), &[])?;
    let new: Vec<NewRule> = ips
        .iter()
        .zip(&tables)
        .map(|(ip, table)| rules::rule(ip.address.address(), *table))
        .collect();
    let hints: Vec<NewRoute> = if settings.source_hints {
        ips.iter().map(|ip| hint(ip, &link, &captured)).collect()
    } else {
        Vec::new()
    };

    let before = Before {
        rules: new.clone(),
        hints: hints.clone(),
        captured: captured.clone(),
        index: link.index,
    };
    let inside = sandbox.clone();
    undo.push("restore the routes", move || Ok(before.restore(&inside)?));

    let mut batch = sandbox.batch();
    for (ip, table) in ips.iter().zip(&tables) {
        let gateway = settings.gateway_for(ip.address.address());
        let content = TableContent::new(*table, (ip, ips), link.index, gateway, &captured);
        content.messages().for_each(|message| {
            batch.add(message);
        });
    }
    batch.run().map_err(NetError::from)?;
    rules::add_all(sandbox, &new)?;

    let stays =
        |copy: &RouteCopy| settings.source_hints && is_on_link(copy) && !is_replaced(copy, &hints);
    for copy in captured.iter().filter(|copy| !stays(copy)) {
        unless_absent(sandbox.execute(copy.delete_from(MAIN_TABLE)))?;
    }
    for route in &hints {
        add_hint(sandbox, route, &captured)?;
    }
    Ok(())
}

/// The main table's route to the network of `ip`, with its address as preferred source. It replaces
/// the existing one and has its priority.
fn hint(ip: &IpConfig, link: &Link, captured: &[RouteCopy]) -> NewRoute {
    let dst = ip.address.masked().network();
    let earlier = captured
        .iter()
        .find(|copy| is_on_link(copy) && copy.entry.dst == dst);
    NewRoute {
        oif: Some(link.index),
        source: Some(ip.address.address()),
        scope: Some(SCOPE_LINK),
        priority: earlier.and_then(|copy| copy.entry.priority),
        ..NewRoute::to(dst)
    }
}

/// Adds a hint, or restores the route that it replaces: the kernel refuses a hint while the address is
/// not usable, which does not fail ADD.
fn add_hint(sandbox: &Sandbox, hint: &NewRoute, captured: &[RouteCopy]) -> Result<(), NetError> {
    let Err(error) = sandbox.execute(hint.add().unless_made()) else {
        return Ok(());
    };
    log(format_args!(
        "sbr: ADD goes on without a source hint: {error}"
    ));
    let mut batch = sandbox.batch();
    for copy in captured.iter().filter(|copy| is_replaced(copy, &[*hint])) {
        batch.add(copy.add_to(MAIN_TABLE).unless_made());
    }
    Ok(batch.run()?)
}

/// Whether the destination is on the link. IPv6 has no scopes.
fn is_on_link(copy: &RouteCopy) -> bool {
    let entry = &copy.entry;
    if entry.dst.is_ipv4() {
        entry.scope == SCOPE_LINK
    } else {
        entry.gateway.is_none() && entry.nexthops.is_empty()
    }
}

fn is_replaced(copy: &RouteCopy, hints: &[NewRoute]) -> bool {
    is_on_link(copy) && hints.iter().any(|hint| hint.dst == copy.entry.dst)
}

/// The state before ADD, for undo.
struct Before {
    rules: Vec<NewRule>,
    hints: Vec<NewRoute>,
    captured: Vec<RouteCopy>,
    index: u32,
}

impl Before {
    /// Restores the routes of the main table, then removes the rules, then the routes of the tables that
    /// were free: so there is a route at every moment.
    fn restore(&self, sandbox: &Sandbox) -> Result<(), NetError> {
        for hint in &self.hints {
            unless_absent(sandbox.execute(hint.delete()))?;
        }
        let mut batch = sandbox.batch();
        for copy in &self.captured {
            batch.add(copy.add_to(MAIN_TABLE).unless_made());
        }
        batch.run()?;
        rules::delete_all(sandbox, &self.rules)?;
        for rule in &self.rules {
            for copy in routing::routes(sandbox, Some(rule.table), Some(self.index))? {
                unless_absent(sandbox.execute(copy.delete_from(rule.table)))?;
            }
        }
        Ok(())
    }
}

/// Ignores a missing route: routes expire, or are removed with an address.
fn unless_absent(outcome: Result<(), NetlinkError>) -> Result<(), NetError> {
    match outcome {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}
