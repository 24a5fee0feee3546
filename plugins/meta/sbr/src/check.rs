//! CHECK.

use cni_types::{Cidr, CniResult, IpConfig};
use ferrule_kernel::route::MAIN_TABLE;
use ferrule_kernel::{IpNetwork, RouteEntry, Rule};
use ferrule_net::{NetError, Sandbox, check, routing};

use crate::config::{Plan, Settings};

/// Compares the container with what ADD does: a rule for each address, and the routes in the table
/// that it looks up.
///
/// The Go plugin may have run ADD, so any table and any gateway of a default route is accepted.
pub(crate) fn check(
    sandbox: &Sandbox,
    ifname: &str,
    ips: &[IpConfig],
    plan: &Plan,
    result: &CniResult,
) -> Result<(), NetError> {
    let link = sandbox.link(ifname)?;
    // A link that is down has lost its routes, which are not what is wrong.
    check::up(&link, &sandbox.netns().path().display().to_string())?;
    let rules = routing::rules(sandbox)?;
    for ip in ips {
        let table = match plan {
            Plan::Table(table) => table_of(&rules, ip, Some(*table))?,
            Plan::Automatic(_) => table_of(&rules, ip, None)?,
        };
        if let Plan::Automatic(settings) = plan {
            let found = entries(sandbox, table, link.index)?;
            for dst in destinations(ip, settings, result) {
                check::route_among(&found, dst, ifname, table)?;
            }
        }
    }
    if let Plan::Automatic(Settings {
        source_hints: true, ..
    }) = plan
    {
        let found = entries(sandbox, MAIN_TABLE, link.index)?;
        for ip in ips {
            check::route_among(&found, ip.address.masked(), ifname, MAIN_TABLE)?;
        }
    }
    Ok(())
}

/// The routes of a link in a table.
fn entries(sandbox: &Sandbox, table: u32, index: u32) -> Result<Vec<RouteEntry>, NetError> {
    let found = routing::routes(sandbox, Some(table), Some(index))?;
    Ok(found.into_iter().map(|copy| copy.entry).collect())
}

/// The table for packets from the address: that of the first matching rule.
fn table_of(rules: &[Rule], ip: &IpConfig, expected: Option<u32>) -> Result<u32, NetError> {
    let source = Some(IpNetwork::from(ip.address.address()));
    let is_it = |rule: &&Rule| {
        rule.source == source
            && rule
                .table
                .is_some_and(|table| expected.is_none_or(|expected| table == expected))
    };
    let address = ip.address.address();
    rules
        .iter()
        .find(is_it)
        .and_then(|rule| rule.table)
        .ok_or_else(|| {
            let which = expected.map_or_else(
                || "a table of its own".to_owned(),
                |table| format!("table {table}"),
            );
            NetError::Mismatch(format!(
                "no routing rule for packets from {address} looks up {which}"
            ))
        })
}

/// The destinations in the table of an address, according to configuration and previous result.
fn destinations(ip: &IpConfig, settings: &Settings, result: &CniResult) -> Vec<Cidr> {
    let address = ip.address.address();
    let mut found = check::destinations(result, ip);
    if settings.gateway_for(address).or(ip.gateway).is_some() {
        found.push(Cidr::default_route(address));
    }
    found
}
