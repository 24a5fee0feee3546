//! IP addresses and CIDRs as the protocol writes them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnetwork::IpNetwork;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

/// A text that is no address or no CIDR.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an address.
    #[error("invalid IP address: {0}")]
    Address(String),
    /// Not an address, a slash and a prefix length.
    #[error("invalid CIDR address: {0}")]
    Cidr(String),
}

/// Reads an address; an IPv4-mapped IPv6 one becomes IPv4. No prefix, zone or leading zeros.
pub fn parse_address(text: &str) -> Result<IpAddr, AddressError> {
    text.parse::<IpAddr>()
        .map(|address| address.to_canonical())
        .map_err(|_| AddressError::Address(text.to_owned()))
}

/// The canonical text of an address (RFC 5952; IPv4-mapped ones as IPv4).
pub fn address_text(address: IpAddr) -> String {
    address.to_canonical().to_string()
}

/// Deserializes an optional address: absent, null and the empty text all mean none.
///
/// For `#[serde(default, deserialize_with = "optional_address")]`.
pub fn optional_address<'de, D: Deserializer<'de>>(de: D) -> Result<Option<IpAddr>, D::Error> {
    match String::deserialize(de)?.as_str() {
        "" => Ok(None),
        text => parse_address(text).map(Some).map_err(D::Error::custom),
    }
}

/// Serializes an optional address; none is the empty text.
#[expect(clippy::ref_option, reason = "the signature serde calls")]
pub(crate) fn address_or_empty<S: Serializer>(
    address: &Option<IpAddr>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.serialize_str(&address_text(*address)),
        None => serializer.serialize_str(""),
    }
}

/// An address with the prefix length of its network, host bits kept: `10.1.2.3/24`.
///
/// Only an address, a slash and a decimal length are accepted, as Go's `ParseCIDR` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr(IpNetwork);

impl Cidr {
    /// `address` with `prefix`, if that is a length its family has.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        IpNetwork::new(address, prefix).ok().map(Self)
    }

    /// The host route of an address: `/32` or `/128`.
    pub fn host(address: IpAddr) -> Self {
        Self(IpNetwork::from(address))
    }

    /// The default destination of a family: `0.0.0.0/0` or `::/0`.
    pub fn default_route(of: IpAddr) -> Self {
        let any: IpAddr = match of {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Self(IpNetwork::new(any, 0).unwrap_or_else(|_| IpNetwork::from(any)))
    }

    /// The address, host bits included.
    pub fn address(&self) -> IpAddr {
        self.canonical().ip()
    }

    /// The prefix length.
    pub fn prefix(&self) -> u8 {
        self.canonical().prefix()
    }

    /// The network, host bits cleared.
    #[must_use]
    pub fn masked(&self) -> Self {
        let network = self.canonical();
        Self(IpNetwork::new(network.network(), network.prefix()).unwrap_or(network))
    }

    /// The same network as `ipnetwork` has it.
    pub fn network(&self) -> IpNetwork {
        self.canonical()
    }

    /// Whether `address` lies in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.canonical().contains(address.to_canonical())
    }

    /// Whether this is an IPv4 network.
    pub fn is_ipv4(&self) -> bool {
        self.address().is_ipv4()
    }

    /// Whether this was written as an IPv4-mapped IPv6 network, `::ffff:10.0.0.1/120`.
    pub fn is_ipv4_mapped(&self) -> bool {
        self.0.is_ipv6() && self.address().is_ipv4()
    }

    /// IPv4-mapped IPv6 networks as the IPv4 networks they stand for.
    fn canonical(&self) -> IpNetwork {
        let mapped = self.0.ip().to_canonical();
        match self.0.prefix().checked_sub(96) {
            Some(prefix) if self.0.is_ipv6() && mapped.is_ipv4() => {
                IpNetwork::new(mapped, prefix).unwrap_or(self.0)
            }
            _ => self.0,
        }
    }
}

impl From<IpNetwork> for Cidr {
    fn from(network: IpNetwork) -> Self {
        Self(network)
    }
}

impl FromStr for Cidr {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            let decimal = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
            let prefix = decimal.then(|| prefix.parse::<u8>().ok()).flatten()?;
            Self::new(address.parse::<IpAddr>().ok()?, prefix)
        };
        parse().ok_or_else(|| AddressError::Cidr(text.to_owned()))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", address_text(self.address()), self.prefix())
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        String::deserialize(de)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cidrs_are_read_as_go_reads_them() {
        for good in [
            "10.1.2.3/24",
            "0.0.0.0/0",
            "2001:db8::1/64",
            "fe80::/10",
            "1.2.3.4/32",
        ] {
            assert_eq!(good.parse::<Cidr>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "10.1.2.3",
            "10.1.2.0/255.255.255.0",
            "010.1.2.3/24",
            "10.1.2.3/33",
            "1.2.3/24",
            "10.1.2.3/",
            "10.1.2.3/+8",
            "10.1.2.3/-1",
            "::1/129",
            "fe80::1%eth0/64",
            "10.1.2.3/24 ",
        ] {
            assert_eq!(
                bad.parse::<Cidr>(),
                Err(AddressError::Cidr(bad.into())),
                "{bad}"
            );
        }
    }

    #[test]
    fn ipv4_mapped_networks_show_as_ipv4_and_are_known() {
        let mapped: Cidr = "::ffff:10.0.0.1/120".parse().unwrap();
        assert_eq!(mapped.to_string(), "10.0.0.1/24");
        assert!(mapped.is_ipv4_mapped() && mapped.is_ipv4());
        assert!(!"10.0.0.1/24".parse::<Cidr>().unwrap().is_ipv4_mapped());
        assert_eq!(mapped.masked().to_string(), "10.0.0.0/24");
    }

    #[test]
    fn addresses_have_one_spelling() {
        for (written, text) in [
            ("::1.2.3.4", "::102:304"),
            ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ] {
            assert_eq!(address_text(parse_address(written).unwrap()), text);
        }
        for bad in ["", "1.2.3", "1.2.3.04", "1.2.3.4/24", "fe80::1%eth0"] {
            assert!(parse_address(bad).is_err(), "{bad}");
        }
    }
}
