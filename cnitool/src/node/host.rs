//! The host's own links.

use ferrule_kernel::netlink::NetlinkError;
use ferrule_kernel::{Link, RtnlSocket};

/// A socket in the host's namespace, and all its links.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) socket: RtnlSocket,
    pub(crate) links: Vec<Link>,
}

impl Host {
    pub(crate) fn open() -> Result<Self, NetlinkError> {
        let socket = RtnlSocket::open()?;
        let links = socket.links()?;
        Ok(Self { socket, links })
    }

    pub(crate) fn by_index(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The other end of a container's veth: each names the other's index.
    pub(crate) fn peer(&self, inside: &Link) -> Option<&Link> {
        let is_peer = |link: &&Link| link.is_kind("veth") && link.peer_index == Some(inside.index);
        self.by_index(inside.peer_index.filter(|_| inside.is_kind("veth"))?)
            .filter(is_peer)
    }

    /// The link that a macvlan, ipvlan or vlan of a container is on.
    pub(crate) fn parent(&self, inside: &Link) -> Option<&Link> {
        // Without a number for the namespace the parent is in the container, too.
        inside.link_netnsid?;
        self.by_index(inside.peer_index.filter(|_| !inside.is_kind("veth"))?)
    }
}
