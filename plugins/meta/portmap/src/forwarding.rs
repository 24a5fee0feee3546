//! A translated host port, as read from rules and maps.

use std::net::{IpAddr, SocketAddr};

use ferrule_netfilter::nft::Transport;

use crate::mapping::Mapping;
use crate::target::Target;

/// The translation of connections to a port of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Forwarding {
    pub(crate) transport: Transport,
    /// The host's address; `None` for all addresses.
    pub(crate) only: Option<IpAddr>,
    pub(crate) host_port: u16,
    /// The destination.
    pub(crate) to: SocketAddr,
}

impl Forwarding {
    /// The translation of a mapping to one of the container's addresses.
    pub(crate) fn of(mapping: &Mapping, target: &Target) -> Self {
        Self {
            transport: mapping.transport,
            only: mapping.only(),
            host_port: mapping.host_port,
            to: SocketAddr::new(target.address.address(), mapping.container_port),
        }
    }

    /// Whether both translate the same port of the same addresses.
    pub(crate) fn is_same_port(&self, other: &Self) -> bool {
        (self.transport, self.host_port, self.only)
            == (other.transport, other.host_port, other.only)
    }

    /// Whether some connections match both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        (self.transport, self.host_port) == (other.transport, other.host_port)
            && (self.only == other.only || self.only.is_none() || other.only.is_none())
    }
}
