//! Addresses and routes of both ends of the pair, each the only neighbour of the other.
//!
//! The host end has the address of each gateway (/32 or /128) and a route to each address of the
//! container. The container reaches even its own network through the gateway, because the other
//! containers of the network are behind pairs of their own.

use std::net::IpAddr;

use cni_types::{Cidr, CniResult, IpConfig};
use ferrule_kernel::{Family, IpNetwork, Link, NewRoute, RouteFilter, RouteMode};
use ferrule_net::addressing::{self, Options, PrefixRoutes};
use ferrule_net::{Host, NetError, Sandbox};

/// Scope of routes to a neighbour (`RT_SCOPE_LINK` of `linux/rtnetlink.h`).
const SCOPE_LINK: u8 = 253;
/// Scope of routes to this host (`RT_SCOPE_HOST`), which the Go plugin uses for those to containers.
const SCOPE_HOST: u8 = 254;

/// An address of the container and its gateway.
#[derive(Clone, Copy)]
pub(crate) struct Hop {
    pub(crate) address: Cidr,
    pub(crate) gateway: IpAddr,
}

/// The hops of a result; an address without a gateway is an error.
pub(crate) fn hops(result: &CniResult) -> Result<Vec<Hop>, NetError> {
    let hop = |ip: &IpConfig| match ip.gateway {
        Some(gateway) => Ok(Hop {
            address: ip.address,
            gateway,
        }),
        None => Err(NetError::Unusable(format!(
            "address {} has no gateway, which ptp puts on the host's end: configure one in ipam",
            ip.address
        ))),
    };
    result.ips.iter().map(hop).collect()
}

/// Adds the gateways and the routes to the container to the host end.
pub(crate) fn host_end(host: &Host, link: &Link, hops: &[Hop]) -> Result<(), NetError> {
    for hop in hops {
        addressing::ensure_address(host, link.index, Cidr::host(hop.gateway))?;
    }
    let mut batch = host.batch();
    for hop in hops {
        // A route of another container stays in front, since that one may still run. If its link is
        // being removed, the kernel removes the route with it, and this one takes effect.
        let route = NewRoute {
            oif: Some(link.index),
            scope: Some(SCOPE_HOST),
            mode: RouteMode::Append,
            ..NewRoute::to(host_route(hop))
        };
        batch.add(route.add());
    }
    Ok(batch.run()?)
}

/// Adds the addresses to the container end, and routes through the gateways.
pub(crate) fn container_end(
    sandbox: &Sandbox,
    link: &Link,
    result: &CniResult,
    hops: &[Hop],
) -> Result<Link, NetError> {
    let mut first: Vec<NewRoute> = Vec::with_capacity(2 * hops.len());
    for route in hops.iter().flat_map(|hop| through_gateway(link, hop)) {
        // Addresses of one network share the routes of the first.
        if !first.iter().any(|known| known.dst == route.dst) {
            first.push(route);
        }
    }
    let options = Options {
        prefix_routes: PrefixRoutes::Instead {
            lasting: first,
            passing: other_routers(link, result, hops),
        },
        ..Options::default()
    };
    addressing::configure(sandbox, link, result, &options)
}

/// The routes to the gateway, which is on the link, and to its network, which is behind the gateway.
///
/// Routes of other interfaces to the same network stay.
fn through_gateway(link: &Link, hop: &Hop) -> [NewRoute; 2] {
    let source = Some(hop.address.address());
    let route = |dst: Cidr| NewRoute {
        oif: Some(link.index),
        source,
        mode: RouteMode::Add,
        ..NewRoute::to(dst.network())
    };
    let gateway = NewRoute {
        scope: Some(SCOPE_LINK),
        ..route(Cidr::host(hop.gateway))
    };
    let network = NewRoute {
        gateway: Some(hop.gateway),
        ..route(hop.address.masked())
    };
    [gateway, network]
}

/// Routes on the link to the routers of the result that are in the container's networks but are not its
/// gateways. They are there only while the routes of the result are added: the kernel refuses a route
/// through a router that is behind another one (`fib_check_nh` of `net/ipv4/fib_semantics.c`), but
/// keeps one that it has accepted.
fn other_routers(link: &Link, result: &CniResult, hops: &[Hop]) -> Vec<NewRoute> {
    let is_inside = |router: &IpAddr| hops.iter().any(|hop| hop.address.contains(*router));
    let is_gateway = |router: &IpAddr| hops.iter().any(|hop| hop.gateway == *router);
    let mut routers: Vec<IpAddr> = result.routes.iter().filter_map(|route| route.gw).collect();
    routers.retain(|router| is_inside(router) && !is_gateway(router));
    routers.sort();
    routers.dedup();
    let on_link = |router: IpAddr| NewRoute {
        oif: Some(link.index),
        scope: Some(SCOPE_LINK),
        // Its deletion must not match another route to the same address.
        priority: Some(1),
        ..NewRoute::to(Cidr::host(router).network())
    };
    routers.into_iter().map(on_link).collect()
}

/// Fails if the host has no route through `link` to an address of the container.
pub(crate) fn check_host_end(host: &Host, link: &Link, hops: &[Hop]) -> Result<(), NetError> {
    for hop in hops {
        let filter = RouteFilter {
            family: Family::of(hop.gateway),
            table: None,
            oif: Some(link.index),
        };
        let wanted = host_route(hop);
        if !host
            .routes(&filter)?
            .iter()
            .any(|entry| entry.dst == wanted)
        {
            return Err(NetError::Mismatch(format!(
                "route to {wanted} through host interface {:?} is missing",
                link.name
            )));
        }
    }
    Ok(())
}

fn host_route(hop: &Hop) -> IpNetwork {
    Cidr::host(hop.address.address()).network()
}
