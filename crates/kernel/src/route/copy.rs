//! Copies of routes with all their attributes, to be added again or to another table.

use nix::libc::{NLM_F_APPEND, NLM_F_CREATE, RTM_DELROUTE, RTM_NEWROUTE};

use super::entry::{
    self, HEADER, HOP_HEADER, RTA_GATEWAY, RTA_MULTIPATH, RTA_OIF, RTA_TABLE, RTA_VIA,
};
use super::{RouteEntry, SCOPE_UNIVERSE};
use crate::netlink::{AttributeWriter, Attributes, Malformed, Message, Parsed, flag, u32_at};

const RTA_CACHEINFO: u16 = 12;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_EXPIRES: u16 = 23;
const RTA_NH_ID: u16 = 30;

/// `RTNH_F_ONLINK`, the only flag that is a setting. The others report a state, and the kernel
/// refuses a new route with `RTNH_F_DEAD`.
const RTNH_F_ONLINK: u8 = 4;

/// Ticks per second in `struct rta_cacheinfo` (`USER_HZ`).
const TICKS: u32 = 100;

/// A route with all its attributes, so that it can be added again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteCopy {
    /// The route.
    pub entry: RouteEntry,
    /// The body of a request, without the table.
    body: AttributeWriter,
}

impl RouteCopy {
    /// Reads an entry of a table; `None` for cached copies and other families.
    pub(super) fn parse(payload: &[u8]) -> Parsed<Self> {
        let Some(entry) = entry::parse(payload)? else {
            return Ok(None);
        };
        let (header, attributes) = payload.split_first_chunk().ok_or(Malformed)?;
        let body = body(*header, attributes).ok_or(Malformed)?;
        Ok(Some(Self { entry, body }))
    }

    /// The message that adds the route to `table`, after others of the same destination and
    /// priority. An identical route is an error
    /// ([`NetlinkError::is_exists`](crate::netlink::NetlinkError::is_exists)).
    pub fn add_to(&self, table: u32) -> Message {
        let operation = format!("add route {} to table {table}", self.described());
        let flags = flag(NLM_F_CREATE) | flag(NLM_F_APPEND);
        Message::new(operation, RTM_NEWROUTE, flags, &self.in_table(table))
    }

    /// The message that deletes the route from `table`; a missing route is an error
    /// ([`NetlinkError::is_not_found`](crate::netlink::NetlinkError::is_not_found)).
    pub fn delete_from(&self, table: u32) -> Message {
        let operation = format!("delete route {} from table {table}", self.described());
        Message::new(operation, RTM_DELROUTE, 0, &self.in_table(table))
    }

    /// Whether the kernel needs another route to resolve this one's gateway. For IPv4 the scope shows
    /// it, as a gateway must have a narrower scope than its route; IPv6 has no scopes.
    pub fn needs_others(&self) -> bool {
        let is_far = self.entry.dst.is_ipv6() || self.entry.scope == SCOPE_UNIVERSE;
        let has_gateway = |gateway: Option<_>| gateway.is_some();
        is_far
            && (has_gateway(self.entry.gateway)
                || self
                    .entry
                    .nexthops
                    .iter()
                    .any(|hop| has_gateway(hop.gateway)))
    }

    fn in_table(&self, table: u32) -> AttributeWriter {
        let mut body = self.body.clone();
        body.u32(RTA_TABLE, table);
        body
    }

    fn described(&self) -> String {
        let gateway = self.entry.gateway;
        let via = gateway.map_or_else(String::new, |gateway| format!(" via {gateway}"));
        format!("{}{via}", self.entry.dst)
    }
}

/// The body of a request that adds the route: without its table, and without flags of a state.
fn body(header: [u8; HEADER], attributes: &[u8]) -> Option<AttributeWriter> {
    // The table goes into an attribute: that of the header has 8 bits.
    let [family, dst, src, tos, _, protocol, scope, kind, flags @ ..] = header;
    let settings = u32::from_ne_bytes(flags) & u32::from(RTNH_F_ONLINK);
    let fixed = [family, dst, src, tos, 0, protocol, scope, kind];
    let mut body = AttributeWriter::after(&[&fixed[..], &settings.to_ne_bytes()].concat());

    let attributes = Attributes::new(attributes);
    let mut left_out = vec![RTA_TABLE, RTA_CACHEINFO, RTA_MULTIPATH];
    if attributes.get(RTA_NH_ID).is_some() {
        // The hops are those of the nexthop object of this id; the kernel refuses both together.
        left_out.extend([RTA_OIF, RTA_GATEWAY, RTA_VIA, RTA_ENCAP, RTA_ENCAP_TYPE]);
    } else if let Some(hops) = attributes.get(RTA_MULTIPATH) {
        body.bytes(RTA_MULTIPATH, &settings_of_hops(hops.value)?);
    }
    body.copy(attributes.clone(), &left_out);
    let expires = attributes.get(RTA_CACHEINFO).and_then(|info| {
        let ticks = u32_at(info.value, 8)?;
        (1..=i32::MAX.unsigned_abs())
            .contains(&ticks)
            .then_some(ticks)
    });
    if let Some(ticks) = expires {
        body.u32(RTA_EXPIRES, ticks.div_ceil(TICKS));
    }
    Some(body)
}

/// A sequence of `struct rtnexthop` without the flags that report a state.
fn settings_of_hops(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut hops = bytes.to_vec();
    let mut start = 0;
    while start < hops.len() {
        let hop: &mut [u8; HOP_HEADER] = hops.get_mut(start..)?.first_chunk_mut()?;
        let [low, high, flags, ..] = hop;
        *flags &= RTNH_F_ONLINK;
        let length = usize::from(u16::from_ne_bytes([*low, *high]));
        start += length.max(HOP_HEADER).next_multiple_of(4);
    }
    Some(hops)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER_OF_A_DEAD_ROUTE: [u8; HEADER] = [2, 24, 0, 0, 254, 3, 0, 1, 0b111, 0, 0, 0];

    fn copied(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut reply = AttributeWriter::after(&HEADER_OF_A_DEAD_ROUTE);
        for (kind, value) in attributes {
            reply.bytes(*kind, value);
        }
        let copy = RouteCopy::parse(&Vec::from(reply)).unwrap().unwrap();
        copy.in_table(1000).into()
    }

    fn kinds(bytes: &[u8]) -> Vec<u16> {
        let attributes = Attributes::new(bytes.get(HEADER..).unwrap());
        attributes.map(|attribute| attribute.kind).collect()
    }

    #[test]
    fn flags_of_a_state_are_dropped_and_the_table_is_replaced() {
        let bytes = copied(&[
            (1, &[10, 0, 0, 0]),
            (15, &[254, 0, 0, 0]),
            (4, &[3, 0, 0, 0]),
        ]);
        assert_eq!(bytes.get(..8).unwrap(), [2, 24, 0, 0, 0, 3, 0, 1]);
        assert_eq!(bytes.get(8..12).unwrap(), 4u32.to_ne_bytes());
        assert_eq!(kinds(&bytes), [1, 4, 15]);
        assert!(bytes.ends_with(&1000u32.to_ne_bytes()));
    }

    #[test]
    fn the_remaining_lifetime_is_kept() {
        let info = [0, 0, 250u32, 0, 0, 0, 0, 0].map(u32::to_ne_bytes).concat();
        let bytes = copied(&[(12, &info)]);
        assert_eq!(kinds(&bytes), [23, 15]);
        assert_eq!(bytes.get(16..20).unwrap(), 3u32.to_ne_bytes());
        assert_eq!(kinds(&copied(&[(12, &[0; 32])])), [15]);
    }

    #[test]
    fn hops_are_written_once_and_without_flags_of_a_state() {
        let hop = |flags| [[8, 0, flags, 0], [3, 0, 0, 0]].concat();
        let hops = [hop(0b101), hop(0)].concat();
        let bytes = copied(&[(9, &hops)]);
        assert_eq!(kinds(&bytes), [9, 15]);
        assert_eq!(bytes.get(16..32).unwrap(), [hop(0b100), hop(0)].concat());
        let bytes = copied(&[
            (30, &[1, 0, 0, 0]),
            (9, &hops),
            (4, &[3, 0, 0, 0]),
            (5, &[10, 0, 0, 1]),
        ]);
        assert_eq!(kinds(&bytes), [30, 15]);
    }

    #[test]
    fn what_is_cut_is_malformed() {
        assert_eq!(settings_of_hops(&[8, 0, 0]), None);
        assert_eq!(RouteCopy::parse(&[2; 11]), Err(Malformed));
    }
}
