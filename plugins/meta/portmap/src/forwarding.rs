//! A host port that leads somewhere, as found in rules and maps.

use std::net::{IpAddr, SocketAddr};

use ferrule_netfilter::nft::Transport;

use crate::mapping::Mapping;
use crate::plan::Target;

/// Connections to a port of the host that go elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Forwarding {
    pub(crate) transport: Transport,
    /// The host's address it is about, if it is not about all.
    pub(crate) only: Option<IpAddr>,
    pub(crate) host_port: u16,
    /// Where they go.
    pub(crate) to: SocketAddr,
}

impl Forwarding {
    /// What a mapping does for one of the container's addresses.
    pub(crate) fn of(mapping: &Mapping, target: &Target) -> Self {
        Self {
            transport: mapping.transport,
            only: mapping.only(),
            host_port: mapping.host_port,
            to: SocketAddr::new(target.address.address(), mapping.container_port),
        }
    }

    /// Whether it is about the same port of the same addresses.
    pub(crate) fn is_same_port(&self, other: &Self) -> bool {
        (self.transport, self.host_port, self.only)
            == (other.transport, other.host_port, other.only)
    }

    /// Whether there are connections that both are about.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        (self.transport, self.host_port) == (other.transport, other.host_port)
            && (self.only == other.only || self.only.is_none() || other.only.is_none())
    }
}
