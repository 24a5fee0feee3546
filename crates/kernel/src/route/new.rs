//! Adding and deleting routes.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric, RouteProtocol, RouteType,
};
use nix::libc::{
    NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, RTM_DELROUTE, RTM_NEWROUTE,
};

use super::{MAIN_TABLE, SCOPE_NOWHERE, SCOPE_UNIVERSE, raw_address};
use crate::addr::Family;
use crate::netlink::{InvalidRequest, Message, flag};

/// What adding a route does if a similar route exists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RouteMode {
    /// Fails if a route of the same destination, table and priority exists (`NLM_F_EXCL`).
    #[default]
    Exclusive,
    /// Fails only if an identical route exists. An IPv4 route precedes existing ones of the same
    /// destination; IPv6 routes with gateways become one multipath route.
    Add,
    /// As [`RouteMode::Add`], but after the existing routes of the same destination (`NLM_F_APPEND`):
    /// it is used when they are gone.
    Append,
    /// Replaces a route of the same destination, table and priority (`NLM_F_REPLACE`).
    Replace,
}

/// A route to be added or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRoute {
    /// Destination; host bits are ignored.
    pub dst: IpNetwork,
    /// The gateway; of the destination's family.
    pub gateway: Option<IpAddr>,
    /// Index of the outgoing link.
    pub oif: Option<u32>,
    /// Preferred source address (`RTA_PREFSRC`); of the destination's family.
    pub source: Option<IpAddr>,
    /// Routing table, the main one (254) when absent.
    pub table: Option<u32>,
    /// `RT_SCOPE_*`; when absent, universe (0) for adding and any for deleting. IPv6 ignores it.
    pub scope: Option<u8>,
    /// The metric: the lowest is preferred; the kernel's default when absent (IPv4: 0, IPv6: 1024).
    pub priority: Option<u32>,
    /// Path MTU in bytes.
    pub mtu: Option<u32>,
    /// TCP MSS to advertise, in bytes.
    pub advmss: Option<u32>,
    /// Whether the gateway counts as on the link without an address that covers it
    /// (`RTNH_F_ONLINK`).
    pub onlink: bool,
    /// What adding does if a similar route exists.
    pub mode: RouteMode,
}

impl NewRoute {
    /// A route to `dst`, all else unset.
    pub fn to(dst: IpNetwork) -> Self {
        Self {
            dst,
            gateway: None,
            oif: None,
            source: None,
            table: None,
            scope: None,
            priority: None,
            mtu: None,
            advmss: None,
            onlink: false,
            mode: RouteMode::Exclusive,
        }
    }

    /// The message that adds the route: unicast, of protocol "boot" (3).
    pub fn add(&self) -> Message {
        let operation = format!("add route {}", self.described());
        let mut body = match self.body() {
            Ok(body) => body,
            Err(reason) => return Message::invalid(operation, reason),
        };
        body.header.protocol = RouteProtocol::Boot;
        body.header.kind = RouteType::Unicast;
        body.header.scope = self.scope.unwrap_or(SCOPE_UNIVERSE).into();
        if self.onlink {
            body.header.flags |= RouteFlags::Onlink;
        }
        let metrics: Vec<_> = [
            self.mtu.map(RouteMetric::Mtu),
            self.advmss.map(RouteMetric::Advmss),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !metrics.is_empty() {
            body.attributes.push(RouteAttribute::Metrics(metrics));
        }
        let mode = match self.mode {
            RouteMode::Exclusive => NLM_F_CREATE | NLM_F_EXCL,
            RouteMode::Add => NLM_F_CREATE,
            RouteMode::Append => NLM_F_CREATE | NLM_F_APPEND,
            RouteMode::Replace => NLM_F_CREATE | NLM_F_REPLACE,
        };
        Message::new(operation, RTM_NEWROUTE, flag(mode), &body)
    }

    /// The message that deletes the first route with these values, of any protocol and type; MTU, MSS
    /// and mode are not compared. A missing route is an error
    /// ([`NetlinkError::is_not_found`](crate::netlink::NetlinkError::is_not_found)).
    pub fn delete(&self) -> Message {
        let operation = format!("delete route {}", self.described());
        match self.body() {
            Ok(mut body) => {
                body.header.protocol = RouteProtocol::Unspec;
                body.header.kind = RouteType::Unspec;
                body.header.scope = self.scope.unwrap_or(SCOPE_NOWHERE).into();
                Message::new(operation, RTM_DELROUTE, 0, &body)
            }
            Err(reason) => Message::invalid(operation, reason),
        }
    }

    /// The body that additions and deletions share.
    fn body(&self) -> Result<RouteMessage, InvalidRequest> {
        let destination = self.dst.network();
        let family = Family::of(destination);
        let mut others = [self.gateway, self.source].into_iter().flatten();
        if let Some(address) = others.find(|other| Family::of(*other) != family) {
            return Err(InvalidRequest::Family {
                destination,
                address,
            });
        }
        let mut body = RouteMessage::default();
        body.header.address_family = family.number();
        body.header.destination_prefix_length = self.dst.prefix();
        let attributes = &mut body.attributes;
        if self.dst.prefix() > 0 {
            attributes.push(RouteAttribute::Destination(raw_address(destination)));
        }
        attributes.extend(self.oif.map(RouteAttribute::Oif));
        attributes.extend(
            self.gateway
                .map(|ip| RouteAttribute::Gateway(raw_address(ip))),
        );
        attributes.extend(
            self.source
                .map(|ip| RouteAttribute::PrefSource(raw_address(ip))),
        );
        attributes.extend(self.priority.map(RouteAttribute::Priority));
        // The table field of the header has 8 bits.
        let table = self.table.unwrap_or(MAIN_TABLE);
        body.header.table = u8::try_from(table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
        if body.header.table == RouteHeader::RT_TABLE_UNSPEC {
            attributes.push(RouteAttribute::Table(table));
        }
        Ok(body)
    }

    fn described(&self) -> String {
        let words = [
            Some(self.dst.to_string()),
            self.gateway.map(|gateway| format!(" via {gateway}")),
            self.oif.map(|oif| format!(" on link {oif}")),
            self.table.map(|table| format!(" in table {table}")),
        ];
        words.into_iter().flatten().collect()
    }
}
