//! Port mappings as runtimes pass them.

use std::fmt;
use std::net::IpAddr;

use cni_types::{Code, Error};
use ferrule_kernel::Family;
use ferrule_netfilter::nft::Transport;
use serde::Deserialize;

/// One entry of `runtimeConfig.portMappings` as written. Runtimes differ in the letter case of the
/// keys, which the decoder ignores.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Entry {
    /// The port on the host.
    pub(crate) host_port: i64,
    /// The port in the container.
    pub(crate) container_port: i64,
    /// `tcp`, `udp` or `sctp`, in any letter case.
    pub(crate) protocol: String,
    /// The host's address to map; empty for all of them.
    #[serde(rename = "hostIP")]
    pub(crate) host_ip: String,
}

/// A valid mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) transport: Transport,
    pub(crate) host: HostAddress,
    pub(crate) host_port: u16,
    pub(crate) container_port: u16,
}

/// The host's addresses of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HostAddress {
    /// All of both families.
    Any,
    /// All of one family, written `0.0.0.0` or `::`.
    AnyOf(Family),
    /// This one.
    Only(IpAddr),
}

impl Mapping {
    /// Checks an entry, in the order of checks of the Go plugin.
    pub(crate) fn new(entry: &Entry) -> Result<Self, Error> {
        let container_port = port(entry.container_port, "container")?;
        let host_port = port(entry.host_port, "host")?;
        Ok(Self {
            transport: transport(&entry.protocol)?,
            host: HostAddress::parse(&entry.host_ip)?,
            host_port,
            container_port,
        })
    }

    /// Whether connections to addresses of the family are mapped.
    pub(crate) fn is_of(&self, family: Family) -> bool {
        match self.host {
            HostAddress::Any => true,
            HostAddress::AnyOf(only) => only == family,
            HostAddress::Only(address) => Family::of(address) == family,
        }
    }

    /// The host's address; `None` for all addresses.
    pub(crate) fn only(&self) -> Option<IpAddr> {
        match self.host {
            HostAddress::Only(address) => Some(address),
            HostAddress::Any | HostAddress::AnyOf(_) => None,
        }
    }
}

impl HostAddress {
    fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self::Any);
        }
        let address = cni_types::parse_address(text).map_err(|_| {
            invalid(format!("invalid host IP {text:?} of a port mapping"))
                .details("hostIP is an IPv4 or IPv6 address of the host, or empty for all of them")
        })?;
        Ok(if address.is_unspecified() {
            Self::AnyOf(Family::of(address))
        } else {
            Self::Only(address)
        })
    }
}

impl fmt::Display for Mapping {
    /// `tcp 127.0.0.1:8080 to container port 80`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = self.transport.name();
        let port = self.host_port;
        match self.host {
            HostAddress::Any => write!(f, "{protocol} port {port}"),
            HostAddress::AnyOf(Family::V4) => write!(f, "{protocol} 0.0.0.0:{port}"),
            HostAddress::AnyOf(Family::V6) => write!(f, "{protocol} [::]:{port}"),
            HostAddress::Only(IpAddr::V4(address)) => write!(f, "{protocol} {address}:{port}"),
            HostAddress::Only(IpAddr::V6(address)) => write!(f, "{protocol} [{address}]:{port}"),
        }?;
        write!(f, " to container port {}", self.container_port)
    }
}

fn port(number: i64, whose: &str) -> Result<u16, Error> {
    let port = u16::try_from(number).ok().filter(|port| *port > 0);
    port.ok_or_else(|| invalid(format!("Invalid {whose} port number: {number}")))
}

fn transport(name: &str) -> Result<Transport, Error> {
    Transport::named(name).ok_or_else(|| {
        invalid(format!("unknown protocol {name:?} of a port mapping"))
            .details("protocols are tcp, udp and sctp")
    })
}

fn invalid(msg: String) -> Error {
    Error::new(Code::InvalidConfig, msg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(host_port: i64, container_port: i64, protocol: &str, host_ip: &str) -> Entry {
        Entry {
            host_port,
            container_port,
            protocol: protocol.into(),
            host_ip: host_ip.into(),
        }
    }

    fn host(text: &str) -> HostAddress {
        Mapping::new(&entry(80, 80, "tcp", text)).unwrap().host
    }

    #[test]
    fn protocols_are_known_in_any_letter_case() {
        for (text, transport) in [
            ("tcp", Transport::Tcp),
            ("UDP", Transport::Udp),
            ("Sctp", Transport::Sctp),
        ] {
            let mapping = Mapping::new(&entry(1, 65535, text, "")).unwrap();
            assert_eq!(mapping.transport, transport);
            assert_eq!((mapping.host_port, mapping.container_port), (1, 65535));
        }
    }

    #[test]
    fn host_addresses_stand_for_all_for_a_family_or_for_themselves() {
        let only = |text: &str| HostAddress::Only(text.parse().unwrap());
        assert_eq!(host(""), HostAddress::Any);
        assert_eq!(host("0.0.0.0"), HostAddress::AnyOf(Family::V4));
        assert_eq!(host("::"), HostAddress::AnyOf(Family::V6));
        assert_eq!(host("127.0.0.1"), only("127.0.0.1"));
        assert_eq!(host("fd00:0::1"), only("fd00::1"));
        assert_eq!(host("::ffff:10.0.0.1"), only("10.0.0.1"));
    }

    #[test]
    fn mappings_are_of_the_family_of_their_host_address() {
        let of = |text: &str| {
            let mapping = Mapping::new(&entry(80, 80, "tcp", text)).unwrap();
            [Family::V4, Family::V6].map(|family| mapping.is_of(family))
        };
        assert_eq!(of(""), [true, true]);
        assert_eq!(of("0.0.0.0"), [true, false]);
        assert_eq!(of("::"), [false, true]);
        assert_eq!(of("10.0.0.1"), [true, false]);
        assert_eq!(of("fd00::1"), [false, true]);
    }

    #[test]
    fn what_cannot_be_mapped_is_named() {
        for (wrong, msg) in [
            (entry(80, 0, "tcp", ""), "Invalid container port number: 0"),
            (entry(0, 80, "tcp", ""), "Invalid host port number: 0"),
            (
                entry(65536, 80, "tcp", ""),
                "Invalid host port number: 65536",
            ),
            (
                entry(80, -1, "tcp", ""),
                "Invalid container port number: -1",
            ),
            (
                entry(80, 80, "icmp", ""),
                "unknown protocol \"icmp\" of a port mapping",
            ),
            (
                entry(80, 80, "", ""),
                "unknown protocol \"\" of a port mapping",
            ),
            (
                entry(80, 80, "tcp", "localhost"),
                "invalid host IP \"localhost\" of a port mapping",
            ),
            (
                entry(80, 80, "tcp", "fe80::1%eth0"),
                "invalid host IP \"fe80::1%eth0\" of a port mapping",
            ),
        ] {
            let error = Mapping::new(&wrong).unwrap_err();
            assert_eq!((error.code, error.msg.as_str()), (7, msg));
        }
    }

    #[test]
    fn mappings_are_told_as_people_write_them() {
        let text = |ip: &str| Mapping::new(&entry(80, 8, "tcp", ip)).unwrap().to_string();
        assert_eq!(text(""), "tcp port 80 to container port 8");
        assert_eq!(text("::"), "tcp [::]:80 to container port 8");
        assert_eq!(text("10.0.0.1"), "tcp 10.0.0.1:80 to container port 8");
        assert_eq!(text("fd00::1"), "tcp [fd00::1]:80 to container port 8");
    }
}
