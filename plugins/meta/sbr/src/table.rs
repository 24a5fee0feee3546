//! The routing table of one address: the routes in it.

use std::net::IpAddr;

use cni_types::IpConfig;
use ferrule_kernel::{IpNetwork, Message, NewRoute, RouteCopy, RouteMode};

/// What goes into the table of one address.
pub(crate) struct TableContent<'r> {
    table: u32,
    /// The routes that were in the main table.
    copies: Vec<&'r RouteCopy>,
    /// The default route, if a gateway is known and the copies have none.
    default: Option<NewRoute>,
}

impl<'r> TableContent<'r> {
    /// The content of `table`, which is that of `ip`, one of `ips`, all on the link of this index.
    /// `configured` is the gateway from the configuration.
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

/// Whether a route goes into the table of `ip`: if it has to do with the network of `ip`, or with
/// that of none of the addresses.
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
