//! Reading routes out of replies: `struct rtmsg` and the attributes of `linux/rtnetlink.h`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use crate::addr::Family;
use crate::netlink::{Attribute, Attributes, Malformed, Parsed, u32_at};

/// Length of `struct rtmsg`.
pub(super) const HEADER: usize = 12;
/// Length of `struct rtnexthop`.
pub(super) const HOP_HEADER: usize = 8;

const RTA_DST: u16 = 1;
pub(super) const RTA_OIF: u16 = 4;
pub(super) const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
pub(super) const RTA_MULTIPATH: u16 = 9;
pub(super) const RTA_TABLE: u16 = 15;
pub(super) const RTA_VIA: u16 = 18;

const RTAX_MTU: u16 = 2;
const RTAX_ADVMSS: u16 = 8;

/// A copy of a route in a cache, not an entry of a table.
const RTM_F_CLONED: u32 = 0x200;

/// A route as the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteEntry {
    /// Destination prefix; in replies to route lookups the address that was asked for, see
    /// [`RtnlSocket::route_to`](crate::netlink::RtnlSocket::route_to).
    pub dst: IpNetwork,
    /// The gateway, possibly of the other family (RFC 5549). `None` for destinations on the link and
    /// for routes with several hops.
    pub gateway: Option<IpAddr>,
    /// The hops of a route that has several, otherwise empty.
    pub nexthops: Vec<NextHop>,
    /// Index of the outgoing link; `None` for routes with several hops.
    pub oif: Option<u32>,
    /// Routing table.
    pub table: u32,
    /// `RT_SCOPE_*`; always 0 for IPv6.
    pub scope: u8,
    /// The metric: the lowest is preferred; absent means 0.
    pub priority: Option<u32>,
    /// Preferred source address (`RTA_PREFSRC`).
    pub source: Option<IpAddr>,
    /// `RTPROT_*`: 2 kernel, 3 boot, 4 static.
    pub protocol: u8,
    /// `RTN_*`: 1 unicast, 2 local, 3 broadcast, 7 unreachable, …
    pub kind: u8,
    /// Path MTU in bytes.
    pub mtu: Option<u32>,
    /// TCP MSS to advertise, in bytes.
    pub advmss: Option<u32>,
}

/// One hop of a multipath route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextHop {
    /// The gateway; `None` for destinations on the link.
    pub gateway: Option<IpAddr>,
    /// Index of the link.
    pub oif: u32,
}

impl RouteEntry {
    /// Whether the link of this index is an outgoing link of the route.
    pub fn leaves_by(&self, index: u32) -> bool {
        self.oif == Some(index) || self.nexthops.iter().any(|hop| hop.oif == index)
    }

    /// Whether it is a default route (prefix length 0).
    pub fn is_default(&self) -> bool {
        self.dst.prefix() == 0
    }
}

/// Reads an entry of a table; `None` for cached copies and other families.
pub(super) fn parse(payload: &[u8]) -> Parsed<RouteEntry> {
    if u32_at(payload, 8).ok_or(Malformed)? & RTM_F_CLONED != 0 {
        return Ok(None);
    }
    parse_any(payload)
}

/// Reads a route, cached or not; `None` for other families.
pub(super) fn parse_any(payload: &[u8]) -> Parsed<RouteEntry> {
    let header: &[u8; HEADER] = payload.first_chunk().ok_or(Malformed)?;
    let [family, prefix, _, _, table, protocol, scope, kind, ..] = *header;
    let everything: IpAddr = match Family::from_number(family) {
        Some(Family::V4) => Ipv4Addr::UNSPECIFIED.into(),
        Some(Family::V6) => Ipv6Addr::UNSPECIFIED.into(),
        None => return Ok(None),
    };
    let mut destination = everything;
    let mut entry = RouteEntry {
        dst: IpNetwork::from(everything),
        gateway: None,
        nexthops: Vec::new(),
        oif: None,
        table: table.into(),
        scope,
        priority: None,
        source: None,
        protocol,
        kind,
        mtu: None,
        advmss: None,
    };
    for attribute in Attributes::after(HEADER, payload).ok_or(Malformed)? {
        match attribute.kind {
            RTA_DST => destination = attribute.ip().ok_or(Malformed)?,
            RTA_OIF => entry.oif = attribute.u32(),
            RTA_GATEWAY | RTA_VIA => entry.gateway = gateway(attribute),
            RTA_PRIORITY => entry.priority = attribute.u32(),
            RTA_PREFSRC => entry.source = attribute.ip(),
            RTA_METRICS => {
                let metrics = attribute.nested();
                entry.mtu = metrics.u32(RTAX_MTU);
                entry.advmss = metrics.u32(RTAX_ADVMSS);
            }
            RTA_MULTIPATH => entry.nexthops = hops(attribute.value).ok_or(Malformed)?,
            RTA_TABLE => entry.table = attribute.u32().ok_or(Malformed)?,
            _ => {}
        }
    }
    entry.dst = IpNetwork::new(destination, prefix).map_err(|_| Malformed)?;
    Ok(Some(entry))
}

/// The address of `RTA_GATEWAY`, or of `RTA_VIA`, where two bytes with the family precede it.
fn gateway(attribute: Attribute<'_>) -> Option<IpAddr> {
    match attribute.kind {
        RTA_VIA => Attribute {
            value: attribute.value.get(2..)?,
            ..attribute
        }
        .ip(),
        _ => attribute.ip(),
    }
}

/// Reads a sequence of `struct rtnexthop`, each followed by attributes of its own.
fn hops(mut bytes: &[u8]) -> Option<Vec<NextHop>> {
    let mut hops = Vec::new();
    while !bytes.is_empty() {
        let header: &[u8; HOP_HEADER] = bytes.first_chunk()?;
        let [low, high, _, _, a, b, c, d] = *header;
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let mut attributes = Attributes::new(bytes.get(HOP_HEADER..length)?);
        hops.push(NextHop {
            gateway: attributes
                .find(|found| matches!(found.kind, RTA_GATEWAY | RTA_VIA))
                .and_then(gateway),
            oif: u32::from_ne_bytes([a, b, c, d]),
        });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(hops)
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable as _;
    use netlink_packet_route::route::{
        RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteNextHop,
        RouteProtocol, RouteScope, RouteVia,
    };

    use super::*;

    fn message(attributes: Vec<RouteAttribute>) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = Family::V4.number();
        message.header.destination_prefix_length = 24;
        message.header.table = 254;
        message.header.scope = RouteScope::Link;
        message.header.protocol = RouteProtocol::Boot;
        message.attributes = attributes;
        message
    }

    fn bytes(message: &RouteMessage) -> Vec<u8> {
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes
    }

    fn inet(last: u8) -> RouteAddress {
        RouteAddress::Inet([10, 0, 0, last].into())
    }

    #[test]
    fn everything_about_a_plain_route_is_read() {
        let entry = parse(&bytes(&message(vec![
            RouteAttribute::Table(1000),
            RouteAttribute::Destination(inet(0)),
            RouteAttribute::Priority(5),
            RouteAttribute::PrefSource(inet(2)),
            RouteAttribute::Gateway(inet(1)),
            RouteAttribute::Oif(3),
            RouteAttribute::Metrics(vec![RouteMetric::Mtu(1400), RouteMetric::Advmss(1360)]),
        ])));
        let expected = RouteEntry {
            dst: "10.0.0.0/24".parse().unwrap(),
            gateway: Some("10.0.0.1".parse().unwrap()),
            nexthops: vec![],
            oif: Some(3),
            table: 1000,
            scope: 253,
            priority: Some(5),
            source: Some("10.0.0.2".parse().unwrap()),
            protocol: 3,
            kind: 0,
            mtu: Some(1400),
            advmss: Some(1360),
        };
        assert_eq!(entry, Ok(Some(expected)));
    }

    #[test]
    fn a_route_without_destination_is_the_default_route() {
        let mut default = message(vec![RouteAttribute::Oif(3)]);
        default.header.destination_prefix_length = 0;
        let entry = parse(&bytes(&default)).unwrap().unwrap();
        assert!(entry.is_default());
        assert_eq!(entry.dst, "0.0.0.0/0".parse().unwrap());
    }

    #[test]
    fn several_hops_and_routers_of_the_other_family_are_read() {
        let hop = |index, attributes| {
            let mut hop = RouteNextHop::default();
            hop.interface_index = index;
            hop.attributes = attributes;
            hop
        };
        let router: Ipv6Addr = "fe80::1".parse().unwrap();
        let entry = parse(&bytes(&message(vec![RouteAttribute::MultiPath(vec![
            hop(3, vec![RouteAttribute::Gateway(inet(1))]),
            hop(4, vec![RouteAttribute::Via(RouteVia::Inet6(router))]),
            hop(5, vec![]),
        ])])));
        let entry = entry.unwrap().unwrap();
        let found: Vec<_> = entry
            .nexthops
            .iter()
            .map(|hop| (hop.oif, hop.gateway))
            .collect();
        let expected = [
            (3, Some("10.0.0.1".parse().unwrap())),
            (4, Some(router.into())),
            (5, None),
        ];
        assert_eq!(found, expected);
        assert!(entry.leaves_by(4) && !entry.leaves_by(6));
    }

    #[test]
    fn cached_copies_are_not_entries() {
        let mut cached = message(vec![]);
        cached.header.flags = RouteFlags::Cloned;
        assert_eq!(parse(&bytes(&cached)), Ok(None));
        assert!(parse_any(&bytes(&cached)).unwrap().is_some());
    }

    #[test]
    fn what_is_cut_is_malformed() {
        assert_eq!(parse(&[2; 11]), Err(Malformed));
        assert_eq!(hops(&[200, 0, 0, 0, 1, 0, 0, 0]), None);
        assert_eq!(hops(&[4, 0, 0, 0, 1, 0, 0, 0]), None);
    }
}
