//! Links that give their ports a routing table of their own (virtual routing and forwarding).

use netlink_packet_route::link::InfoKind;
use rtnetlink::{LinkMessageBuilder, LinkVrf};

use super::NewLink;
use crate::netlink::{Attribute, Message};

const IFLA_VRF_TABLE: u16 = 1;

/// What a VRF has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vrf {
    /// The routing table; several VRFs may share one.
    pub table: u32,
}

impl Vrf {
    /// The kernel's name of the kind.
    pub const KIND: &'static str = "vrf";

    /// The message that creates a VRF. The first one of a namespace also makes the rule that has the
    /// tables of VRFs looked up.
    pub fn create(&self, link: &NewLink<'_>) -> Message {
        let builder = LinkMessageBuilder::<LinkVrf>::new_with_info_kind(InfoKind::Vrf);
        link.create(Self::KIND, builder.table_id(self.table))
    }

    /// Reads what the kernel tells of one.
    pub(super) fn read(data: Attribute<'_>) -> Option<Self> {
        Some(Self {
            table: data.nested().u32(IFLA_VRF_TABLE)?,
        })
    }
}
