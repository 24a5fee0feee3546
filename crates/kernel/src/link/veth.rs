//! Pairs of virtual Ethernet links.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use netlink_packet_route::link::{InfoData, InfoVeth, LinkAttribute};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth};

use super::create;
use crate::mac::Mac;
use crate::netlink::Message;

/// A veth pair to be created in one operation: the outer end in the namespace of the socket, its peer
/// in another one. Neither is ever visible under another name or without these settings.
///
/// Each end has one queue. By default the kernel (from 5.13 on) creates one per processor, each with
/// a folder in sysfs, and then disables all but one, for which it waits for two grace periods.
#[derive(Debug, Clone, Copy)]
pub struct VethPair<'a> {
    /// Name of the outer end, 1 to 15 bytes.
    pub name: &'a str,
    /// Name of the peer, 1 to 15 bytes.
    pub peer: &'a str,
    /// The namespace in which the peer is created; may be that of the socket. The descriptor must stay
    /// open until the message has been sent.
    pub peer_netns: BorrowedFd<'a>,
    /// MTU of both ends in bytes; 1500 when absent.
    pub mtu: Option<u32>,
    /// Link-layer address of the peer; random when absent.
    pub peer_mac: Option<Mac>,
    /// Index of the bridge the outer end becomes a port of.
    pub master: Option<u32>,
    /// Device group of the outer end, 0 for none. Unlike an alias it can be set at creation.
    pub group: u32,
    /// Whether the outer end is set up. It has a carrier when the peer is up as well.
    pub up: bool,
}

impl VethPair<'_> {
    /// The message that creates the pair. An existing name is an error
    /// ([`NetlinkError::is_exists`](crate::netlink::NetlinkError::is_exists)).
    pub fn create(&self) -> Message {
        let mut peer = LinkMessageBuilder::<LinkUnspec>::new()
            .name(self.peer)
            .setns_by_fd(self.peer_netns.as_raw_fd());
        let mut outer = LinkVeth::new(self.name, self.peer);
        for queues in [LinkAttribute::NumTxQueues(1), LinkAttribute::NumRxQueues(1)] {
            peer = peer.append_extra_attribute(queues.clone());
            outer = outer.append_extra_attribute(queues);
        }
        if let Some(mtu) = self.mtu {
            peer = peer.mtu(mtu);
            outer = outer.mtu(mtu);
        }
        if let Some(mac) = self.peer_mac {
            peer = peer.address(mac.as_bytes().to_vec());
        }
        if let Some(master) = self.master {
            outer = outer.controller(master);
        }
        if self.group != 0 {
            outer = outer.append_extra_attribute(LinkAttribute::Group(self.group));
        }
        if self.up {
            outer = outer.up();
        }
        let outer = outer.set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())));
        create("veth", &[self.name, self.peer], &outer.build())
    }
}
