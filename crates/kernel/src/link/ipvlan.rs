//! Ipvlan: links that share their parent's link-layer address and differ by IP address.

pub use netlink_packet_route::link::IpVlanMode;
use netlink_packet_route::link::{InfoKind, IpVlanFlags};
use rtnetlink::{LinkIpVlan, LinkMessageBuilder};

use super::NewLink;
use crate::netlink::{Attribute, Message};

const IFLA_IPVLAN_MODE: u16 = 1;

/// Settings of an ipvlan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipvlan {
    /// Where its packets are routed. All links of one parent have the same mode: a new one changes
    /// the others.
    pub mode: IpVlanMode,
}

impl Ipvlan {
    /// The kernel's name of the kind.
    pub const KIND: &'static str = "ipvlan";

    /// The message that creates an ipvlan, which may talk to the parent's other links. Its
    /// link-layer address is the parent's. Refusal: `EBUSY` when the parent is a port of a bridge
    /// or bond or has macvlan links.
    pub fn create(&self, link: &NewLink<'_>) -> Message {
        let builder = LinkMessageBuilder::<LinkIpVlan>::new_with_info_kind(InfoKind::IpVlan)
            .mode(self.mode)
            .flag(IpVlanFlags::empty());
        link.create(Self::KIND, builder)
    }

    /// Reads `IFLA_INFO_DATA`.
    pub(super) fn read(data: Attribute<'_>) -> Option<Self> {
        Some(Self {
            mode: data.nested().u16(IFLA_IPVLAN_MODE)?.into(),
        })
    }
}
