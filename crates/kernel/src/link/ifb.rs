//! Intermediate functional blocks: links that packets are redirected to, so that packets coming in
//! can be queued as only packets going out otherwise can.

use netlink_packet_route::link::{InfoKind, LinkAttribute};
use rtnetlink::{LinkIfb, LinkMessageBuilder};

use super::create;
use crate::netlink::Message;

/// An IFB link to be created in the namespace of the socket, switched off.
#[derive(Debug, Clone, Copy)]
pub struct Ifb<'a> {
    /// Name, 1 to 15 bytes.
    pub name: &'a str,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Device group, which a link can have from birth, unlike an alias; 0 for none.
    pub group: u32,
}

impl Ifb<'_> {
    /// The kernel's name of the kind.
    pub const KIND: &'static str = "ifb";

    /// The message that creates the link, without a transmit queue of its own: the queueing
    /// discipline decides what waits. Its name being taken is an error
    /// ([`NetlinkError::is_exists`](crate::netlink::NetlinkError::is_exists)).
    pub fn create(&self) -> Message {
        let mut link = LinkMessageBuilder::<LinkIfb>::new_with_info_kind(InfoKind::Ifb)
            .name(self.name)
            .mtu(self.mtu)
            .append_extra_attribute(LinkAttribute::TxQueueLen(0));
        if self.group != 0 {
            link = link.append_extra_attribute(LinkAttribute::Group(self.group));
        }
        create(Self::KIND, &[self.name], &link.build())
    }
}
