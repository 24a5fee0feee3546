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

/// What adding a route does when there is one like it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RouteMode {
    /// A route of the same destination, table and priority is an error.
    #[default]
    Exclusive,
    /// Only an identical route is an error. Another IPv4 route of the same destination is put in
    /// front of the earlier one; IPv6 routes with gateways become one route with several hops.
    Add,
    /// As [`RouteMode::Add`], but behind the earlier routes of the same destination: it counts as soon
    /// as they are gone.
    Append,
    /// A route of the same destination, table and priority is replaced.
    Replace,
}

/// A route to be added or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRoute {
    /// Destination; host bits are ignored.
    pub dst: IpNetwork,
    /// The router to send to; of the destination's family.
    pub gateway: Option<IpAddr>,
    /// Index of the link to send out of.
    pub oif: Option<u32>,
    /// Source address of packets that do not have one yet; of the destination's family.
    pub source: Option<IpAddr>,
    /// Routing table, the main one (254) when absent.
    pub table: Option<u32>,
    /// `RT_SCOPE_*`; when absent, universe (0) for adding and any for deleting. IPv6 ignores it.
    pub scope: Option<u8>,
    /// Lower wins; the kernel's default when absent (IPv4: 0, IPv6: 1024).
    pub priority: Option<u32>,
    /// Largest packet along the route in bytes.
    pub mtu: Option<u32>,
    /// Largest TCP segment to announce in bytes.
    pub advmss: Option<u32>,
    /// The gateway is on the link although no address of the link covers it.
    pub onlink: bool,
    /// What adding does when there is a route like it.
    pub mode: RouteMode,
}

impl NewRoute {
    /// A route to `dst` with nothing else said.
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

    /// The message that deletes the first route that agrees in everything given here, whoever
    /// made it and of whatever type; metrics and mode do not count. None like it is an error
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

    /// What adding and deleting have in common.
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
        // The header has room for tables up to 255 only.
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
