//! Routes: requests that add and delete them, dumps and lookups.

mod copy;
mod entry;
mod new;

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage};
use nix::errno::Errno;
use nix::libc::RTM_GETROUTE;

pub use copy::RouteCopy;
pub use entry::{NextHop, RouteEntry};
pub use new::{NewRoute, RouteMode};

use crate::addr::Family;
use crate::netlink::{NetlinkError, Parsed, RtnlSocket};

/// `RT_TABLE_MAIN`: the default table.
pub const MAIN_TABLE: u32 = 254;

/// `RT_SCOPE_UNIVERSE`: the destination may be anywhere.
pub const SCOPE_UNIVERSE: u8 = 0;
/// `RT_SCOPE_LINK`: the destination is on the link itself.
pub const SCOPE_LINK: u8 = 253;
/// `RT_SCOPE_HOST`: the destination is this host.
pub const SCOPE_HOST: u8 = 254;
/// `RT_SCOPE_NOWHERE`: in a deletion, a route of any scope.
pub const SCOPE_NOWHERE: u8 = 255;

/// Which routes to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteFilter {
    /// Family of the destination.
    pub family: Family,
    /// Routing table; every table when absent.
    pub table: Option<u32>,
    /// Index of a link that is an outgoing link of the route; every link when absent.
    pub oif: Option<u32>,
}

impl RtnlSocket {
    /// The routes that match `filter`; none if the table does not exist. A missing link is an error
    /// ([`NetlinkError::is_not_found`]).
    pub fn routes(&self, filter: &RouteFilter) -> Result<Vec<RouteEntry>, NetlinkError> {
        let parse = |payload: &[u8]| Ok(entry::parse(payload)?.filter(|entry| filter.keeps(entry)));
        self.list_routes(filter, parse)
    }

    /// As [`RtnlSocket::routes`], with all attributes, so that they can be added again.
    pub fn route_copies(&self, filter: &RouteFilter) -> Result<Vec<RouteCopy>, NetlinkError> {
        let parse = |payload: &[u8]| {
            Ok(RouteCopy::parse(payload)?.filter(|copy| filter.keeps(&copy.entry)))
        };
        self.list_routes(filter, parse)
    }

    fn list_routes<T>(
        &self,
        filter: &RouteFilter,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<Vec<T>, NetlinkError> {
        let mut body = RouteMessage::default();
        body.header.address_family = filter.family.number();
        // Kernels before 4.20, without strict checking, ignore both and send all routes.
        body.attributes
            .extend(filter.table.map(RouteAttribute::Table));
        body.attributes.extend(filter.oif.map(RouteAttribute::Oif));
        match self
            .socket
            .dump(&|| "list routes".to_owned(), RTM_GETROUTE, &body, parse)
        {
            Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(Vec::new()),
            other => other,
        }
    }

    /// The route that the kernel chooses for packets to `destination`; `None` if it has none.
    pub fn route_to(&self, destination: IpAddr) -> Result<Option<RouteEntry>, NetlinkError> {
        self.look_up(destination, RouteFlags::empty())
    }

    /// The table entry that matches packets to `destination`, with all its hops; `None` if none
    /// matches. Before kernel 4.13 the result is that of [`RtnlSocket::route_to`].
    pub fn entry_for(&self, destination: IpAddr) -> Result<Option<RouteEntry>, NetlinkError> {
        self.look_up(destination, RouteFlags::FibMatch)
    }

    fn look_up(
        &self,
        destination: IpAddr,
        mut flags: RouteFlags,
    ) -> Result<Option<RouteEntry>, NetlinkError> {
        let target = IpNetwork::from(destination);
        let mut body = RouteMessage::default();
        body.header.address_family = Family::of(destination).number();
        body.header.destination_prefix_length = target.prefix();
        // Without the flag IPv4 reports the main table for every route; IPv6 always reports the
        // right table and refuses the flag.
        if destination.is_ipv4() {
            flags |= RouteFlags::LookupTable;
        }
        body.header.flags = flags;
        body.attributes
            .push(RouteAttribute::Destination(raw_address(destination)));
        let operation = || format!("look up route to {destination}");
        match self
            .socket
            .get(&operation, RTM_GETROUTE, &body, entry::parse_any)
        {
            Ok(entry) => Ok(Some(entry)),
            Err(error) => match error.errno() {
                Some(Errno::ENETUNREACH | Errno::EHOSTUNREACH) => Ok(None),
                _ => Err(error),
            },
        }
    }
}

impl RouteFilter {
    fn keeps(&self, entry: &RouteEntry) -> bool {
        Family::of(entry.dst.ip()) == self.family
            && self.table.is_none_or(|table| entry.table == table)
            && self.oif.is_none_or(|oif| entry.leaves_by(oif))
    }
}

fn raw_address(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(address) => RouteAddress::Inet(address),
        IpAddr::V6(address) => RouteAddress::Inet6(address),
    }
}
