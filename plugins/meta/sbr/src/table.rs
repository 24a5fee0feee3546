//! The routes in the routing table of one address.

use std::net::IpAddr;

use cni_types::IpConfig;
use ferrule_kernel::{IpNetwork, Message, NewRoute, RouteCopy, RouteMode};

/// The content of the table of one address.
pub(crate) struct TableContent<'r> {
    table: u32,
    /// Routes of the main table that are copied to it.
    copies: Vec<&'r RouteCopy>,
    /// The default route, if there is a gateway and the copies have no default route.
    default: Option<NewRoute>,
}

impl<'r> TableContent<'r> {
    /// The content of `table` for `ip`, one of the addresses `ips` of the link of this index.
    /// `configured` is the gateway of the configuration, `captured` the link's routes in the main table.
    pub(crate) fn new(
        table: u32,
        (ip, ips): (&IpConfig, &[IpConfig]),
        index: u32,
        configured: Option<IpAddr>,
        captured: &'r [RouteCopy],
    ) -> Self {
        let mut copies: Vec<&RouteCopy> = captured
            .iter()
            .filter(|copy| belongs(copy, ip, ips))
            .collect();
        let is_default = |copy: &RouteCopy| {
            copy.entry.is_default() && copy.entry.dst.is_ipv4() == ip.address.is_ipv4()
        };
        if configured.is_some() {
            copies.retain(|copy| !is_default(copy));
        }
        let gateway = configured
            .or(ip.gateway)
            .filter(|gateway| !gateway.is_unspecified());
        let default = gateway.filter(|_| !copies.iter().any(|copy| is_default(copy)));
        let default = default.map(|gateway| NewRoute {
            gateway: Some(gateway),
            oif: Some(index),
            table: Some(table),
            mode: RouteMode::Append,
            ..NewRoute::to(everything(ip))
        });
        Self {
            table,
            copies,
            default,
        }
    }

    /// The messages that fill the table.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message> {
        let copies = self.copies.iter().map(|copy| copy.add_to(self.table));
        copies
            .chain(self.default.map(|route| route.add()))
            .map(Message::unless_made)
    }
}

/// Whether a route goes to the table of `ip`: if its source or a gateway is in the network of `ip`, or
/// in that of none of the addresses.
fn belongs(copy: &RouteCopy, ip: &IpConfig, ips: &[IpConfig]) -> bool {
    let entry = &copy.entry;
    let hops = entry.nexthops.iter().filter_map(|hop| hop.gateway);
    let named: Vec<IpAddr> = entry
        .source
        .into_iter()
        .chain(entry.gateway)
        .chain(hops)
        .collect();
    let is_of = |ip: &IpConfig| named.iter().any(|address| ip.address.contains(*address));
    let is_of_family = named.is_empty() || entry.dst.is_ipv4() == ip.address.is_ipv4();
    is_of(ip) || (is_of_family && !ips.iter().any(is_of))
}

fn everything(ip: &IpConfig) -> IpNetwork {
    cni_types::Cidr::default_route(ip.address.address()).network()
}
