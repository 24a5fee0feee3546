//! Links that tag what they send with the number of a virtual network (IEEE 802.1Q).

use netlink_packet_route::link::InfoKind;
use rtnetlink::{LinkMessageBuilder, LinkVlan};

use super::NewLink;
use crate::netlink::{Attribute, Message};

const IFLA_VLAN_ID: u16 = 1;

/// Settings of a VLAN link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vlan {
    /// The number in the tag, 0 to 4094; 0 marks priority only.
    pub id: u16,
}

impl Vlan {
    /// The kernel's name of the kind.
    pub const KIND: &'static str = "vlan";

    /// The message that creates a VLAN link. A parent has each number once, whatever namespace the
    /// link is in: a second one is an error
    /// ([`NetlinkError::is_exists`](crate::netlink::NetlinkError::is_exists)).
    pub fn create(&self, link: &NewLink<'_>) -> Message {
        let builder = LinkMessageBuilder::<LinkVlan>::new_with_info_kind(InfoKind::Vlan);
        link.create(Self::KIND, builder.id(self.id))
    }

    /// Reads `IFLA_INFO_DATA`.
    pub(super) fn read(data: Attribute<'_>) -> Option<Self> {
        Some(Self {
            id: data.nested().u16(IFLA_VLAN_ID)?,
        })
    }
}
