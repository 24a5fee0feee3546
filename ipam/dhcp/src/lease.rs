//! What is known of a lease, for the wire, the state folder and the result.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use cni_types::{Cidr, Dns, Request, Route};
use ferrule_net::AttachmentId;
use serde::{Deserialize, Serialize};

use crate::v6::Duid;

/// The protocol that a lease is kept by.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// DHCP for IPv4 (RFC 2131).
    #[default]
    V4,
    /// Stateful DHCP for IPv6 (RFC 8415).
    V6,
}

impl Protocol {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::V4, Self::V6];
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "DHCPv4",
            Self::V6 => "DHCPv6",
        })
    }
}

/// Whose lease it is: there is one per network, container, interface and protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct LeaseKey {
    /// The network's name.
    pub(crate) network: String,
    /// The container's id.
    #[serde(rename = "containerID")]
    pub(crate) container_id: String,
    /// The interface in the container.
    pub(crate) ifname: String,
    /// The protocol.
    pub(crate) protocol: Protocol,
}

impl LeaseKey {
    /// The lease of the attachment of a request.
    pub(crate) fn new(request: &Request, protocol: Protocol) -> Self {
        Self {
            network: request.network.clone(),
            container_id: request.container_id.clone(),
            ifname: request.ifname.clone(),
            protocol,
        }
    }

    /// The name of the lease's record.
    pub(crate) fn file_name(&self) -> String {
        let attachment = AttachmentId {
            network: self.network.clone(),
            container_id: self.container_id.clone(),
            ifname: self.ifname.clone(),
        };
        let protocol = match self.protocol {
            Protocol::V4 => "v4",
            Protocol::V6 => "v6",
        };
        format!("{}.{protocol}", attachment.key())
    }
}

impl fmt::Display for LeaseKey {
    /// `container/network/interface`, as the Go daemon calls a lease, in the client identifier as
    /// well.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.container_id, self.network, self.ifname)
    }
}

/// What the client asks the server for, and tells it about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ClientOptions {
    /// The codes of the parameter request list (option 55, or 6 of DHCPv6), in order.
    pub(crate) request: Vec<u8>,
    /// Options sent to the server: code and content. One code occurs once.
    pub(crate) provide: Vec<(u8, Vec<u8>)>,
    /// The metric of every route; 0 leaves it to the kernel.
    pub(crate) priority: u32,
}

/// A lease as a server granted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// The leased address, with the prefix length of its network.
    pub(crate) address: Cidr,
    /// The first router.
    pub(crate) gateway: Option<IpAddr>,
    /// Routes into the container.
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
    /// DNS settings, as far as they were asked for.
    #[serde(default)]
    pub(crate) dns: Dns,
    /// The server that granted it.
    pub(crate) server: IpAddr,
    /// By what a server of DHCPv6 knows that it is meant.
    #[serde(rename = "serverID", default, skip_serializing_if = "Duid::is_empty")]
    pub(crate) server_id: Duid,
    /// When to renew it and when it ends.
    pub(crate) times: Times,
}

impl Lease {
    /// Whether the interface has to look the same for both.
    pub(crate) fn is_configured_as(&self, other: &Self) -> bool {
        self.address == other.address && self.routes == other.routes
    }
}

/// The times of a lease, each since the start of the node (`CLOCK_BOOTTIME`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Times {
    /// When the server's answer came.
    pub(crate) granted: Duration,
    /// The other times; none for a lease without an end.
    pub(crate) limits: Option<Limits>,
}

/// The times of a lease that ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// T1: from then on it is renewed with its server.
    pub(crate) renew: Duration,
    /// T2: from then on it is renewed with any server.
    pub(crate) rebind: Duration,
    /// From then on the address must not be used.
    pub(crate) expire: Duration,
}

/// How far a lease has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// The server has been asked for it: it may hold the address for the client.
    #[default]
    Requested,
    /// The server has granted it.
    Held,
    /// It has expired or was revoked, and a new one is sought.
    Lost,
}

/// A lease as the state folder keeps it: with all that it takes to go on in a new process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Whose it is.
    pub(crate) key: LeaseKey,
    /// Where the interface is.
    pub(crate) place: Place,
    /// What to ask the server for.
    pub(crate) client: ClientOptions,
    /// How far it has got.
    pub(crate) stage: Stage,
    /// The lease; the last one if it was lost.
    pub(crate) lease: Lease,
    /// The lease whose address and routes are still to be taken off the interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaced: Option<Lease>,
}

/// An interface in a container's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The namespace's path, as this daemon sees it.
    pub(crate) netns: PathBuf,
    /// Device and inode number of the namespace, as another may be at the path one day.
    pub(crate) netns_id: (u64, u64),
    /// The kernel's number of the namespace, as inode numbers are used again; none on old kernels.
    pub(crate) netns_cookie: Option<u64>,
    /// When the namespace's file changed last, in seconds and nanoseconds: as long as it has not, it
    /// is the same namespace.
    pub(crate) netns_changed: (i64, i64),
    /// The start of the node in which these numbers hold (`/proc/sys/kernel/random/boot_id`).
    pub(crate) boot_id: String,
    /// The interface's name when the lease began.
    pub(crate) ifname: String,
    /// The interface's index, which stays when it is renamed.
    pub(crate) index: u32,
}
