//! IP addresses of links.

mod copy;

use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::IpNetwork;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags as AddressAttributeFlags, AddressMessage,
};
use nix::libc::{
    AF_INET, AF_INET6, NLM_F_CREATE, NLM_F_EXCL, RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR,
};

pub use copy::AddressCopy;

use crate::netlink::{
    Attributes, Malformed, Message, NetlinkError, Parsed, RtnlSocket, flag, u32_at,
};

/// Length of `struct ifaddrmsg` of `linux/if_addr.h`.
const HEADER: usize = 8;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;

const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
const IFA_F_PERMANENT: u32 = 0x80;

/// A version of the Internet Protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }

    pub(crate) fn number(self) -> AddressFamily {
        match self {
            Self::V4 => AddressFamily::Inet,
            Self::V6 => AddressFamily::Inet6,
        }
    }

    /// The family of an `AF_*` number in a reply; `None` for others.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        match i32::from(number) {
            AF_INET => Some(Self::V4),
            AF_INET6 => Some(Self::V6),
            _ => None,
        }
    }
}

/// An address of a link, as the kernel reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address and the length of its prefix.
    pub address: IpNetwork,
    /// `RT_SCOPE_*`: 0 universe, 253 link, 254 host.
    pub scope: u8,
    /// Its flags.
    pub flags: AddressFlags,
}

/// Flags of an address (`IFA_F_*` of `linux/if_addr.h`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AddressFlags {
    /// IPv6: duplicate address detection is running; not usable yet.
    pub tentative: bool,
    /// IPv6: duplicate address detection found another owner.
    pub dad_failed: bool,
    /// Does not expire.
    pub permanent: bool,
}

/// An address to be added to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewAddress {
    /// Index of the link.
    pub index: u32,
    /// The address and the length of its prefix.
    pub address: IpNetwork,
    /// IPv6: usable at once, without duplicate address detection (RFC 4862, section 5.4).
    pub nodad: bool,
}

impl NewAddress {
    /// The message that adds the address with scope universe. An address that the link already has
    /// is an error ([`NetlinkError::is_exists`]).
    pub fn message(&self) -> Message {
        self.message_with(AddressAttributeFlags::empty())
    }

    /// As [`Self::message`], but without the kernel's route to the prefix (`IFA_F_NOPREFIXROUTE`).
    pub fn message_without_route(&self) -> Message {
        self.message_with(AddressAttributeFlags::Noprefixroute)
    }

    fn message_with(&self, mut flags: AddressAttributeFlags) -> Message {
        let mut body = body(self.index, self.address);
        if let Some(broadcast) = broadcast(self.address) {
            body.attributes.push(AddressAttribute::Broadcast(broadcast));
        }
        if self.nodad {
            flags |= AddressAttributeFlags::Nodad;
        }
        body.attributes.push(AddressAttribute::Flags(flags));
        let operation = format!("add address {} to link {}", self.address, self.index);
        Message::new(
            operation,
            RTM_NEWADDR,
            flag(NLM_F_CREATE) | flag(NLM_F_EXCL),
            &body,
        )
    }
}

/// The message that removes an address from a link. An address that the link does not have is an
/// error ([`NetlinkError::is_not_found`]).
pub fn delete(index: u32, address: IpNetwork) -> Message {
    let operation = format!("delete address {address} from link {index}");
    Message::new(operation, RTM_DELADDR, 0, &body(index, address))
}

impl RtnlSocket {
    /// The addresses of one link, of one family or of both. A missing link is an error
    /// ([`NetlinkError::is_not_found`]).
    pub fn addresses(
        &self,
        index: u32,
        family: Option<Family>,
    ) -> Result<Vec<Address>, NetlinkError> {
        self.list_addresses(index, family, |payload| parse(payload, index, family))
    }

    /// As [`RtnlSocket::addresses`], with all attributes, so that they can be added again.
    pub fn address_copies(
        &self,
        index: u32,
        family: Option<Family>,
    ) -> Result<Vec<AddressCopy>, NetlinkError> {
        self.list_addresses(index, family, |payload| {
            AddressCopy::parse(payload, index, family)
        })
    }

    fn list_addresses<T>(
        &self,
        index: u32,
        family: Option<Family>,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<Vec<T>, NetlinkError> {
        let operation = || format!("list addresses of link {index}");
        let mut body = AddressMessage::default();
        body.header.family = family.map_or(AddressFamily::Unspec, Family::number);
        body.header.index = index;
        self.socket.dump(&operation, RTM_GETADDR, &body, parse)
    }

    /// Removes an address from a link; `false` if the link is missing or does not have it.
    pub fn delete_address(&self, index: u32, address: IpNetwork) -> Result<bool, NetlinkError> {
        self.delete(delete(index, address))
    }
}

fn body(index: u32, address: IpNetwork) -> AddressMessage {
    let mut body = AddressMessage::default();
    body.header.family = Family::of(address.ip()).number();
    body.header.prefix_len = address.prefix();
    body.header.index = index;
    body.attributes.push(AddressAttribute::Local(address.ip()));
    body.attributes
        .push(AddressAttribute::Address(address.ip()));
    body
}

/// The highest address of an IPv4 prefix shorter than /31; longer ones have no broadcast address.
fn broadcast(address: IpNetwork) -> Option<Ipv4Addr> {
    match address {
        IpNetwork::V4(network) if network.prefix() < 31 => Some(network.broadcast()),
        _ => None,
    }
}

/// Reads one address; `None` for other links and families. Kernels before 4.20, without strict
/// checking, do not filter a dump by them.
fn parse(payload: &[u8], wanted: u32, family: Option<Family>) -> Parsed<Address> {
    let [number, prefix, low_flags, scope] = payload.first_chunk().ok_or(Malformed)?;
    let index = u32_at(payload, 4).ok_or(Malformed)?;
    let found = Family::from_number(*number);
    if index != wanted || found.is_none() || family.is_some_and(|family| found != Some(family)) {
        return Ok(None);
    }
    let (mut local, mut remote) = (None, None);
    let mut flags = u32::from(*low_flags);
    for attribute in Attributes::after(HEADER, payload).ok_or(Malformed)? {
        match attribute.kind {
            IFA_LOCAL => local = attribute.ip(),
            IFA_ADDRESS => remote = attribute.ip(),
            IFA_FLAGS => flags = attribute.u32().ok_or(Malformed)?,
            _ => {}
        }
    }
    // On point-to-point links IFA_ADDRESS is the peer's; for IPv6 it is usually the only one sent.
    let ip = local.or(remote).ok_or(Malformed)?;
    Ok(Some(Address {
        address: IpNetwork::new(ip, *prefix).map_err(|_| Malformed)?,
        scope: *scope,
        flags: AddressFlags {
            tentative: flags & IFA_F_TENTATIVE != 0,
            dad_failed: flags & IFA_F_DADFAILED != 0,
            permanent: flags & IFA_F_PERMANENT != 0,
        },
    }))
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable as _;
    use netlink_packet_route::address::AddressFlags as RawFlags;

    use super::*;

    fn bytes(message: &AddressMessage) -> Vec<u8> {
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes
    }

    #[test]
    fn broadcast_has_all_host_bits_set_below_31() {
        for (text, expected) in [
            ("10.1.2.3/24", Some([10, 1, 2, 255])),
            ("10.1.2.3/30", Some([10, 1, 2, 3])),
            ("10.1.2.3/31", None),
            ("10.1.2.3/32", None),
            ("10.1.2.3/0", Some([255; 4])),
            ("fd00::1/64", None),
        ] {
            assert_eq!(
                broadcast(text.parse().unwrap()),
                expected.map(Ipv4Addr::from),
                "{text}"
            );
        }
    }

    #[test]
    fn the_local_address_wins_over_the_remote_one() {
        let mut message = body(3, "10.0.0.1/32".parse().unwrap());
        message.attributes.reverse();
        message.attributes[0] = AddressAttribute::Address("10.0.0.2".parse().unwrap());
        let read = parse(&bytes(&message), 3, None).unwrap().unwrap();
        assert_eq!(read.address, "10.0.0.1/32".parse().unwrap());
    }

    #[test]
    fn flags_beyond_eight_bits_come_from_the_attribute() {
        let mut message = body(3, "fd00::1/64".parse().unwrap());
        message
            .attributes
            .retain(|found| !matches!(found, AddressAttribute::Local(_)));
        let raw = RawFlags::Tentative | RawFlags::Dadfailed | RawFlags::StablePrivacy;
        message.attributes.push(AddressAttribute::Flags(raw));
        let read = parse(&bytes(&message), 3, Some(Family::V6))
            .unwrap()
            .unwrap();
        assert_eq!(
            read.flags,
            AddressFlags {
                tentative: true,
                dad_failed: true,
                permanent: false
            }
        );
        assert_eq!(read.address, "fd00::1/64".parse().unwrap());
    }

    #[test]
    fn other_links_and_families_are_left_out() {
        let message = bytes(&body(3, "10.0.0.1/24".parse().unwrap()));
        assert_eq!(parse(&message, 4, None), Ok(None));
        assert_eq!(parse(&message, 3, Some(Family::V6)), Ok(None));
        assert!(parse(&message, 3, Some(Family::V4)).unwrap().is_some());
        assert_eq!(parse(&message[..6], 3, None), Err(Malformed));
    }
}
