//! Connection tracking: finding flows and deleting them.
//!
//! The kernel decides about address translation at the first packet of a flow and then keeps to
//! it. A UDP flow has no end: while a peer goes on sending, translations made or removed
//! meanwhile do not apply to it. Deleting the flow makes the kernel decide anew.
//!
//! ```no_run
//! use ferrule_kernel::Family;
//! use ferrule_netfilter::conntrack::{Conntrack, FlowFilter};
//! use ferrule_netfilter::nft::Transport;
//!
//! // What came in for port 53 of this host and now belongs to 10.1.2.3.
//! let filter = FlowFilter::to_port(Family::V4, Transport::Udp, 53);
//! let pod = "10.1.2.3".parse().unwrap();
//! Conntrack::open()?.delete(&filter, |flow| flow.reply.source.ip() == pod)?;
//! # Ok::<(), ferrule_kernel::NetlinkError>(())
//! ```

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use nix::errno::Errno;

use crate::nfnetlink::{self, attributes, request};
use crate::nft::{self, Transport};
use ferrule_kernel::Family;
use ferrule_kernel::netlink::{
    AttributeWriter, Attributes, Batch, Malformed, Message, NESTED, NetlinkError, Parsed, Socket,
};

/// `NFNL_SUBSYS_CTNETLINK`.
const SUBSYSTEM: u8 = 1;

/// `IPCTNL_MSG_CT_GET` and `IPCTNL_MSG_CT_DELETE` of `linux/netfilter/nfnetlink_conntrack.h`.
const GET: u16 = message(1);
const DELETE: u16 = message(2);

/// `enum ctattr_type`.
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const IDENTITY: u16 = 12;
const ZONE: u16 = 18;
const FILTER: u16 = 25;

/// `enum ctattr_tuple`, `ctattr_ip` and `ctattr_l4proto`.
const TUPLE_ADDRESSES: u16 = 1;
const TUPLE_TRANSPORT: u16 = 2;
const SOURCE_4: u16 = 1;
const DESTINATION_4: u16 = 2;
const SOURCE_6: u16 = 3;
const DESTINATION_6: u16 = 4;
const TRANSPORT: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;

/// `CTA_FILTER_ORIG_FLAGS` and its bits, which the kernel has in `nf_internals.h`; they say which
/// parts of the tuple count. Since kernel 5.8.
const FILTER_ORIGINAL: u16 = 1;
const COUNTS_DESTINATION: u32 = 1 << 1;
const COUNTS_TRANSPORT: u32 = 1 << 3;
const COUNTS_DESTINATION_PORT: u32 = 1 << 5;

const fn message(number: u8) -> u16 {
    nfnetlink::kind(SUBSYSTEM, number)
}

/// A netlink socket for the tracked connections of one network namespace: the one the thread was in
/// when it was opened.
#[derive(Debug)]
pub struct Conntrack {
    socket: Rc<Socket>,
}

/// Selects flows by their first packet before any translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowFilter {
    /// The version of the Internet Protocol.
    pub family: Family,
    /// The transport protocol.
    pub transport: Transport,
    /// Where the first packet was sent to; `None` for anywhere.
    pub destination: Option<IpAddr>,
    /// The port it was sent to.
    pub destination_port: u16,
}

/// A flow the kernel keeps track of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Its first packet before any translation.
    pub original: Tuple,
    /// The answer the kernel expects, before it translates that back: its source is where the
    /// first packet really went.
    pub reply: Tuple,
    /// Attributes by which the kernel finds exactly this flow again.
    identity: Vec<(u16, Vec<u8>)>,
}

/// The two ends of a flow in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple {
    /// Where packets come from.
    pub source: SocketAddr,
    /// Where packets go.
    pub destination: SocketAddr,
}

impl FlowFilter {
    /// Flows to a port of any address.
    pub const fn to_port(family: Family, transport: Transport, destination_port: u16) -> Self {
        Self {
            family,
            transport,
            destination: None,
            destination_port,
        }
    }

    /// Only flows to one address.
    #[must_use]
    pub const fn at(self, destination: IpAddr) -> Self {
        Self {
            destination: Some(destination),
            ..self
        }
    }

    fn matches(&self, flow: &Flow) -> bool {
        let destination = flow.original.destination;
        destination.port() == self.destination_port
            && self
                .destination
                .is_none_or(|address| address == destination.ip())
    }

    /// The request that dumps the flows; with `chosen_by_kernel` the kernel filters them.
    fn request(&self, chosen_by_kernel: bool) -> AttributeWriter {
        let mut body = request(nft::Family::of(self.family).number());
        if !chosen_by_kernel {
            return body;
        }
        let mut counts = COUNTS_TRANSPORT | COUNTS_DESTINATION_PORT;
        body.nested(TUPLE_ORIGINAL, |tuple| {
            // Only IPv4: the kernel (6.18) compares IPv6 addresses the wrong way round and leaves
            // out the flows that match.
            if let Some(IpAddr::V4(address)) = self.destination {
                counts |= COUNTS_DESTINATION;
                tuple.nested(TUPLE_ADDRESSES, |addresses| {
                    addresses.bytes(DESTINATION_4, &address.octets());
                });
            }
            tuple.nested(TUPLE_TRANSPORT, |transport| {
                transport.u8(TRANSPORT, self.transport.number());
                transport.bytes(DESTINATION_PORT, &self.destination_port.to_be_bytes());
            });
        });
        body.nested(FILTER, |filter| {
            // In contrast to all other numbers this one is in the host's order.
            filter.bytes(FILTER_ORIGINAL, &counts.to_ne_bytes());
        });
        body
    }
}

impl Conntrack {
    /// Opens a socket of the namespace the calling thread is in.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: nfnetlink::open()?,
        })
    }

    /// Dumps flows. Kernels from 5.8 on filter themselves; older ones dump all, which are filtered
    /// here.
    pub fn flows(&self, filter: &FlowFilter) -> Result<Vec<Flow>, NetlinkError> {
        let operation = || {
            let (transport, port) = (filter.transport.name(), filter.destination_port);
            format!("list {transport} flows to port {port}")
        };
        let list = |chosen_by_kernel| {
            let body = filter.request(chosen_by_kernel);
            self.socket.dump(&operation, GET, &body, |payload| {
                parse(payload, filter.transport)
            })
        };
        let mut flows = match list(true) {
            // A kernel that knows the attribute but not this filter.
            Err(error) if matches!(error.errno(), Some(Errno::EINVAL | Errno::EOPNOTSUPP)) => {
                list(false)?
            }
            other => other?,
        };
        flows.retain(|flow| filter.matches(flow));
        Ok(flows)
    }

    /// Those of all flows that `is_wanted` accepts, for looking at them: the kernel dumps every flow of
    /// the node, which [`Conntrack::flows`] avoids.
    pub fn all_flows(
        &self,
        family: Family,
        transport: Transport,
        is_wanted: impl Fn(&Flow) -> bool,
    ) -> Result<Vec<Flow>, NetlinkError> {
        let operation = || format!("list {} flows", transport.name());
        let body = request(nft::Family::of(family).number());
        self.socket.dump(&operation, GET, &body, |payload| {
            Ok(parse(payload, transport)?.filter(&is_wanted))
        })
    }

    /// Deletes those flows matching `filter` that `is_chosen` accepts, and returns how many. Flows
    /// that ended meanwhile do not count.
    pub fn delete(
        &self,
        filter: &FlowFilter,
        mut is_chosen: impl FnMut(&Flow) -> bool,
    ) -> Result<usize, NetlinkError> {
        let mut count = 0;
        for flow in self.flows(filter)? {
            if is_chosen(&flow) && self.delete_one(filter.family, &flow)? {
                count += 1;
            }
        }
        Ok(count)
    }

    /// `false` if the flow is gone, or another one has its tuple.
    fn delete_one(&self, family: Family, flow: &Flow) -> Result<bool, NetlinkError> {
        let Tuple {
            source,
            destination,
        } = flow.original;
        let mut body = request(nft::Family::of(family).number());
        for (kind, value) in &flow.identity {
            body.bytes(*kind, value);
        }
        let operation = format!("delete the flow from {source} to {destination}");
        let mut batch = Batch::new(&self.socket);
        batch.add(Message::new(operation, DELETE, 0, &body));
        Ok(NetlinkError::none_if_not_found(batch.run())?.is_some())
    }
}

/// Reads a flow; `None` if it is of another transport protocol.
fn parse(payload: &[u8], wanted: Transport) -> Parsed<Flow> {
    let parts = attributes(payload);
    let original = parts.nested(TUPLE_ORIGINAL).ok_or(Malformed)?;
    let transport = original.nested(TUPLE_TRANSPORT).ok_or(Malformed)?;
    if transport.u8(TRANSPORT) != Some(wanted.number()) {
        return Ok(None);
    }
    let reply = parts.nested(TUPLE_REPLY).ok_or(Malformed)?;
    let identity = [TUPLE_ORIGINAL, ZONE, IDENTITY]
        .into_iter()
        .filter_map(|kind| {
            let flags = if kind == TUPLE_ORIGINAL { NESTED } else { 0 };
            Some((kind | flags, parts.get(kind)?.value.to_vec()))
        });
    Ok(Some(Flow {
        identity: identity.collect(),
        original: tuple(&original).ok_or(Malformed)?,
        reply: tuple(&reply).ok_or(Malformed)?,
    }))
}

fn tuple(parts: &Attributes<'_>) -> Option<Tuple> {
    let addresses = parts.nested(TUPLE_ADDRESSES)?;
    let transport = parts.nested(TUPLE_TRANSPORT)?;
    let end = |four, six, port| {
        let address = addresses.get(four).or_else(|| addresses.get(six))?.ip()?;
        Some(SocketAddr::new(address, transport.be_u16(port)?))
    };
    Some(Tuple {
        source: end(SOURCE_4, SOURCE_6, SOURCE_PORT)?,
        destination: end(DESTINATION_4, DESTINATION_6, DESTINATION_PORT)?,
    })
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable as _;

    use super::*;

    fn bytes(body: &AttributeWriter) -> Vec<u8> {
        let mut bytes = vec![0; body.buffer_len()];
        body.emit(&mut bytes);
        bytes
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_request_says_what_counts() {
        let filter = FlowFilter::to_port(Family::V4, Transport::Udp, 53);
        let expected = [
            &[2, 0, 0, 0][..],
            &[24, 0, 1, 0x80, 20, 0, 2, 0x80],
            &[5, 0, 1, 0, 17, 0, 0, 0, 6, 0, 3, 0, 0, 53, 0, 0],
            &[12, 0, 25, 0x80, 8, 0, 1, 0, 0x28, 0, 0, 0],
        ]
        .concat();
        assert_eq!(bytes(&filter.request(true)), expected);
        assert_eq!(bytes(&filter.request(false)), [2, 0, 0, 0]);
        let narrow = bytes(&filter.at([10, 1, 2, 3].into()).request(true));
        assert_eq!(narrow[narrow.len() - 4..], [0x2a, 0, 0, 0]);
    }

    /// A flow as the kernel lists it.
    fn listed(transport: u8) -> Vec<u8> {
        let mut body = request(2);
        for (kind, source, destination, ports) in [
            (
                TUPLE_ORIGINAL,
                [192, 0, 2, 9],
                [192, 0, 2, 1],
                [4000u16, 53],
            ),
            (TUPLE_REPLY, [10, 1, 2, 3], [192, 0, 2, 9], [5353, 4000]),
        ] {
            body.nested(kind, |tuple| {
                tuple.nested(TUPLE_ADDRESSES, |addresses| {
                    addresses
                        .bytes(SOURCE_4, &source)
                        .bytes(DESTINATION_4, &destination);
                });
                tuple.nested(TUPLE_TRANSPORT, |inner| {
                    inner.u8(TRANSPORT, transport);
                    inner.bytes(SOURCE_PORT, &ports[0].to_be_bytes());
                    inner.bytes(DESTINATION_PORT, &ports[1].to_be_bytes());
                });
            });
        }
        body.be_u32(IDENTITY, 77);
        bytes(&body)
    }

    #[test]
    fn flows_are_read_with_both_directions() {
        let flow = parse(&listed(17), Transport::Udp).unwrap().unwrap();
        assert_eq!(flow.original.source, "192.0.2.9:4000".parse().unwrap());
        assert_eq!(flow.original.destination, "192.0.2.1:53".parse().unwrap());
        assert_eq!(flow.reply.source, "10.1.2.3:5353".parse().unwrap());
        let kinds: Vec<_> = flow.identity.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [TUPLE_ORIGINAL | NESTED, IDENTITY]);

        let filter = FlowFilter::to_port(Family::V4, Transport::Udp, 53);
        assert!(filter.matches(&flow));
        assert!(filter.at([192, 0, 2, 1].into()).matches(&flow));
        assert!(!filter.at([192, 0, 2, 2].into()).matches(&flow));
        assert!(!FlowFilter::to_port(Family::V4, Transport::Udp, 54).matches(&flow));
    }

    #[test]
    fn flows_of_other_protocols_are_left_out_and_cut_ones_are_errors() {
        assert_eq!(parse(&listed(6), Transport::Udp), Ok(None));
        assert_eq!(parse(&listed(17)[..60], Transport::Udp), Err(Malformed));
        assert_eq!(parse(&[], Transport::Udp), Err(Malformed));
    }
}
