//! Compares a container's interface with the result of its ADD.

use std::net::IpAddr;

use cni_types::{Cidr, CniResult, Interface, IpConfig, Request, Route};
use ferrule_kernel::{Family, Link, RouteEntry, RouteFilter};

use crate::{Host, NetError, Sandbox, veth};

/// The table of routes without the key `table` (`RT_TABLE_MAIN`).
const MAIN_TABLE: u32 = 254;
/// The table of what is delivered here (`RT_TABLE_LOCAL`).
const LOCAL_TABLE: u32 = 255;

/// The container's interface in the previous result.
pub fn recorded_interface<'r>(
    result: &'r CniResult,
    name: &str,
    sandbox: &str,
) -> Result<&'r Interface, NetError> {
    result.container_interface(name, sandbox).ok_or_else(|| {
        NetError::Mismatch(format!(
            "prevResult has no interface {name:?} in the sandbox {sandbox:?}"
        ))
    })
}

/// The interface on the host in the previous result.
pub fn recorded_host_interface<'r>(
    result: &'r CniResult,
    name: &str,
) -> Result<&'r Interface, NetError> {
    let recorded = |i: &&Interface| i.name == name && i.sandbox.is_empty();
    result
        .interfaces
        .iter()
        .find(recorded)
        .ok_or_else(|| NetError::Mismatch(format!("prevResult has no host interface {name:?}")))
}

/// Returns the container's interface, and what the previous result records of it. It must exist, be
/// of this kind and have the recorded MAC address.
pub fn container_link<'r>(
    sandbox: &Sandbox,
    request: &Request,
    result: &'r CniResult,
    kind: &str,
) -> Result<(Link, &'r Interface), NetError> {
    let path = request.sandbox();
    let recorded = recorded_interface(result, &request.ifname, &path)?;
    let found = sandbox.link_by_name(&request.ifname)?;
    Ok((link(found, recorded, &path, kind)?, recorded))
}

/// Returns the link that `recorded` describes. It must exist, be of this kind and have the recorded
/// MAC address.
pub fn link(
    found: Option<Link>,
    recorded: &Interface,
    place: &str,
    kind: &str,
) -> Result<Link, NetError> {
    let name = &recorded.name;
    let link = found.ok_or_else(|| NetError::LinkNotFound {
        name: name.clone(),
        place: place.to_owned(),
    })?;
    if !link.is_kind(kind) {
        return Err(NetError::Mismatch(format!(
            "interface {name:?} in {place} is of kind {}, expected {kind}",
            link.kind.as_deref().unwrap_or("none")
        )));
    }
    mac(&link, recorded, place)?;
    Ok(link)
}

/// Compares the MAC address of the link with the recorded one, ignoring case.
pub fn mac(link: &Link, recorded: &Interface, place: &str) -> Result<(), NetError> {
    let mac = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
    if recorded.mac.is_empty() || mac.eq_ignore_ascii_case(&recorded.mac) {
        return Ok(());
    }
    Err(NetError::Mismatch(format!(
        "interface {:?} in {place} has the MAC address {mac}, expected {}",
        recorded.name, recorded.mac
    )))
}

/// Fails if the link is down. Checked before routes: a link that is down has lost them, too.
pub fn up(link: &Link, place: &str) -> Result<(), NetError> {
    if link.up {
        return Ok(());
    }
    Err(NetError::Mismatch(format!(
        "interface {:?} in {place} is down, expected up",
        link.name
    )))
}

/// Compares the MTU of the link with the recorded one or, where none is recorded, with the configured
/// one. A later plugin of the chain may have changed the MTU and recorded that in the result.
pub fn mtu(
    link: &Link,
    recorded: &Interface,
    configured: Option<u32>,
    place: &str,
) -> Result<(), NetError> {
    let expected = Some(recorded.mtu).filter(|mtu| *mtu > 0).or(configured);
    match expected.filter(|mtu| *mtu != link.mtu) {
        None => Ok(()),
        Some(expected) => Err(NetError::Mismatch(format!(
            "interface {:?} in {place} has the MTU {}, expected {expected}",
            link.name, link.mtu
        ))),
    }
}

/// Returns the host end of the pair whose container end is `inside`. It must exist, be up and match
/// the previous result.
pub fn recorded_peer(host: &Host, inside: &Link, result: &CniResult) -> Result<Link, NetError> {
    let peer = veth::peer_on_host(host, inside)?.ok_or_else(|| {
        NetError::Mismatch(format!(
            "interface {:?} has no peer on the host",
            inside.name
        ))
    })?;
    let recorded = recorded_host_interface(result, &peer.name)?;
    mac(&peer, recorded, "the host")?;
    up(&peer, "the host")?;
    Ok(peer)
}

/// Fails if the link lacks an address of the result, or the route to its network.
///
/// Addresses that the result assigns to other interfaces are not checked.
pub fn addresses(sandbox: &Sandbox, link: &Link, result: &CniResult) -> Result<(), NetError> {
    let ours = |ip: &&IpConfig| result.interface_of(ip).is_none_or(|i| i.name == link.name);
    let expected: Vec<&IpConfig> = result.ips.iter().filter(ours).collect();
    if expected.is_empty() {
        return Ok(());
    }
    let present = sandbox.addresses(link.index, None)?;
    for ip in expected {
        let address = ip.address;
        if !present
            .iter()
            .any(|found| found.address == address.network())
        {
            return Err(NetError::Mismatch(format!(
                "interface {:?} lacks the address {address}",
                link.name
            )));
        }
        // The kernel adds no route for the network of a host address (/32, /128).
        let is_host = address.network().network() == address.network().broadcast();
        if !is_host && !has_route(sandbox, &Route::new(address.masked(), None))? {
            return Err(NetError::Mismatch(format!(
                "no route to {}, the network of address {address}",
                address.masked()
            )));
        }
    }
    Ok(())
}

/// Fails if a route of the result is missing from its table.
pub fn routes(sandbox: &Sandbox, result: &CniResult) -> Result<(), NetError> {
    for route in &result.routes {
        if !has_route(sandbox, route)? {
            let via = route
                .gw
                .map(|gateway| format!(" via {gateway}"))
                .unwrap_or_default();
            let table = route.table.filter(|table| *table > 0);
            let table = table
                .map(|table| format!(" in table {table}"))
                .unwrap_or_default();
            return Err(NetError::Mismatch(format!(
                "route to {}{via}{table} is missing",
                route.dst
            )));
        }
    }
    Ok(())
}

/// What packets from an address of a result can reach by way of its interface: its network, and what
/// the result's routes lead to through gateways in it. Routes for a table of their own are left out.
pub fn destinations(result: &CniResult, ip: &IpConfig) -> Vec<Cidr> {
    let mut found = Vec::new();
    // The kernel adds no route for the network of a host address (/32, /128).
    if Cidr::host(ip.address.address()) != ip.address {
        found.push(ip.address.masked());
    }
    let ours = result.routes.iter().filter(|route| {
        let is_main = route
            .table
            .is_none_or(|table| table == 0 || table == MAIN_TABLE);
        is_main && route.gw.is_some_and(|gateway| ip.address.contains(gateway))
    });
    found.extend(ours.map(|route| route.dst.masked()));
    found
}

/// Fails if none of `routes`, those of an interface in a table, leads to `dst`.
pub fn route_among(
    routes: &[RouteEntry],
    dst: Cidr,
    ifname: &str,
    table: u32,
) -> Result<(), NetError> {
    if routes.iter().any(|entry| entry.dst == dst.network()) {
        return Ok(());
    }
    Err(NetError::Mismatch(format!(
        "route to {dst} on {ifname:?} is missing in table {table}"
    )))
}

/// Whether there is a route to the destination, through the gateway if one is given. The gateway of
/// a default route is not compared, as in the Go plugins, since sidecars change it.
///
/// A route for the main table may have been moved by a later plugin of the list: `sbr` gives
/// addresses tables of their own, `vrf` interfaces.
fn has_route(sandbox: &Sandbox, route: &Route) -> Result<bool, NetError> {
    let gateway = route
        .gw
        .filter(|gateway| !route.is_default() && !gateway.is_unspecified());
    let dst = route.dst.masked().network();
    let is_in = |table| {
        let filter = RouteFilter {
            family: Family::of(route.dst.address()),
            table,
            oif: None,
        };
        let entries = sandbox.routes(&filter)?;
        Ok(entries.iter().any(|entry| {
            entry.table != LOCAL_TABLE
                && entry.dst == dst
                && gateway.is_none_or(|gateway| goes_through(entry, gateway))
        }))
    };
    match route.table.filter(|table| *table > 0) {
        Some(table) => is_in(Some(table)),
        None => Ok(is_in(Some(MAIN_TABLE))? || is_in(None)?),
    }
}

fn goes_through(entry: &RouteEntry, gateway: IpAddr) -> bool {
    entry.gateway == Some(gateway)
        || entry
            .nexthops
            .iter()
            .any(|hop| hop.gateway == Some(gateway))
}
