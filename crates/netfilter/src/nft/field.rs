//! Fields of a packet, of which keys of sets and maps consist, and their values.

use std::fmt;
use std::net::IpAddr;

use super::expression::{Base, Expression, Meta};
use super::register::Register;
use ferrule_kernel::Family;

/// Bytes of an interface name with its padding (`IFNAMSIZ`).
const INTERFACE: u32 = 16;

/// A field of a packet that can be looked up; several make a concatenation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The source address.
    Source(Family),
    /// The destination address.
    Destination(Family),
    /// The transport protocol.
    Transport,
    /// The destination port of TCP, UDP and SCTP.
    DestinationPort,
    /// The name of the input interface.
    InInterface,
    /// The name of the output interface.
    OutInterface,
    /// The packet mark.
    Mark,
}

/// The type of a [`Field`], or of a map's data. The numbers are those of the `nft` tool (`enum
/// datatypes` of nftables' `datatype.h`); the kernel only stores them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// `ipv4_addr` or `ipv6_addr`.
    Address(Family),
    /// `inet_proto`
    Transport,
    /// `inet_service`
    Port,
    /// `ifname`
    Interface,
    /// `mark`
    Mark,
}

/// A transport protocol (`IPPROTO_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// TCP, RFC 9293.
    Tcp,
    /// UDP, RFC 768.
    Udp,
    /// SCTP, RFC 9260.
    Sctp,
}

/// How the tool prints a type's values (`enum byteorder` of nftables' `datatype.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    /// Concatenations, whose parts have their own.
    None = 0,
    Host = 1,
    Network = 2,
}

/// The address of these bytes in network order.
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let sixteen = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    four().or_else(|_| sixteen()).ok()
}

impl Transport {
    /// All protocols.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The protocol of this number.
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.number() == number)
    }

    /// The protocol of this name, in any letter case.
    pub fn named(name: &str) -> Option<Self> {
        let is_it = |one: &Self| one.name().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(is_it)
    }

    /// The protocol's number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The protocol's name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl Field {
    /// The type of its values.
    pub const fn data_type(self) -> DataType {
        match self {
            Self::Source(family) | Self::Destination(family) => DataType::Address(family),
            Self::Transport => DataType::Transport,
            Self::DestinationPort => DataType::Port,
            Self::InInterface | Self::OutInterface => DataType::Interface,
            Self::Mark => DataType::Mark,
        }
    }

    /// The expression that loads it.
    pub(crate) fn load(self, to: Register) -> Expression {
        let payload = |base, offset| {
            let length = self.data_type().length();
            Expression::Payload {
                base,
                offset,
                length,
                to,
            }
        };
        let meta = |key| Expression::Meta { key, to };
        match self {
            // Offsets of RFC 791 and RFC 8200.
            Self::Source(Family::V4) => payload(Base::Network, 12),
            Self::Destination(Family::V4) => payload(Base::Network, 16),
            Self::Source(Family::V6) => payload(Base::Network, 8),
            Self::Destination(Family::V6) => payload(Base::Network, 24),
            Self::DestinationPort => payload(Base::Transport, 2),
            Self::Transport => meta(Meta::Transport),
            Self::InInterface => meta(Meta::InInterface),
            Self::OutInterface => meta(Meta::OutInterface),
            Self::Mark => meta(Meta::Mark),
        }
    }
}

impl fmt::Display for Field {
    /// As the `nft` tool calls it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source(Family::V4) => "ip saddr",
            Self::Source(Family::V6) => "ip6 saddr",
            Self::Destination(Family::V4) => "ip daddr",
            Self::Destination(Family::V6) => "ip6 daddr",
            Self::Transport => "meta l4proto",
            Self::DestinationPort => "th dport",
            Self::InInterface => "iifname",
            Self::OutInterface => "oifname",
            Self::Mark => "meta mark",
        })
    }
}

impl DataType {
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Address(Family::V4) => 7,
            Self::Address(Family::V6) => 8,
            Self::Transport => 12,
            Self::Port => 13,
            Self::Mark => 19,
            Self::Interface => 41,
        }
    }

    /// Bytes of one value.
    pub(crate) const fn length(self) -> u32 {
        match self {
            Self::Address(Family::V4) | Self::Mark => 4,
            Self::Address(Family::V6) => 16,
            Self::Transport => 1,
            Self::Port => 2,
            Self::Interface => INTERFACE,
        }
    }

    /// Bytes of one value inside a concatenation, where each begins at a multiple of four.
    pub(crate) const fn padded_length(self) -> u32 {
        self.length().next_multiple_of(4)
    }

    pub(crate) const fn byte_order(self) -> ByteOrder {
        match self {
            Self::Mark | Self::Interface => ByteOrder::Host,
            Self::Address(_) | Self::Transport | Self::Port => ByteOrder::Network,
        }
    }
}

/// One value of a key or of a map's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// An address.
    Address(IpAddr),
    /// A transport protocol.
    Transport(Transport),
    /// A port.
    Port(u16),
    /// An interface name; bytes beyond the kernel's limit of 15 are left out.
    Interface(&'a str),
    /// A packet mark.
    Mark(u32),
}

impl Value<'_> {
    pub(crate) fn append_to(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Address(IpAddr::V4(address)) => bytes.extend(address.octets()),
            Self::Address(IpAddr::V6(address)) => bytes.extend(address.octets()),
            Self::Transport(transport) => bytes.push(transport.number()),
            Self::Port(port) => bytes.extend(port.to_be_bytes()),
            Self::Interface(name) => bytes.extend(interface_bytes(name)),
            Self::Mark(mark) => bytes.extend(mark.to_ne_bytes()),
        }
    }
}

/// A name with zero bytes up to the kernel's length.
pub(crate) fn interface_bytes(name: &str) -> [u8; INTERFACE as usize] {
    let mut bytes = [0; INTERFACE as usize];
    for (target, byte) in bytes
        .iter_mut()
        .take(INTERFACE as usize - 1)
        .zip(name.bytes())
    {
        *target = byte;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(value: Value<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.append_to(&mut bytes);
        bytes
    }

    #[test]
    fn values_look_as_in_the_packet_or_on_this_host() {
        assert_eq!(
            bytes(Value::Address("10.1.2.3".parse().unwrap())),
            [10, 1, 2, 3]
        );
        assert_eq!(bytes(Value::Address("fe80::1".parse().unwrap())).len(), 16);
        assert_eq!(bytes(Value::Port(80)), [0, 80]);
        assert_eq!(bytes(Value::Transport(Transport::Sctp)), [132]);
        assert_eq!(bytes(Value::Mark(1)), 1u32.to_ne_bytes());
    }

    #[test]
    fn interface_names_end_with_a_zero_byte() {
        assert_eq!(&interface_bytes("eth0")[..5], b"eth0\0");
        assert_eq!(interface_bytes("a-name-of-more-than-fifteen")[15], 0);
    }

    #[test]
    fn values_are_as_long_as_their_type_says() {
        for (kind, value) in [
            (
                DataType::Address(Family::V4),
                Value::Address([1, 2, 3, 4].into()),
            ),
            (
                DataType::Address(Family::V6),
                Value::Address([0; 16].into()),
            ),
            (DataType::Transport, Value::Transport(Transport::Tcp)),
            (DataType::Port, Value::Port(1)),
            (DataType::Interface, Value::Interface("lo")),
            (DataType::Mark, Value::Mark(1)),
        ] {
            assert_eq!(bytes(value).len(), kind.length() as usize, "{kind:?}");
        }
    }
}
