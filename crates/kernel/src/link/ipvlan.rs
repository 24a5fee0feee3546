//! Ipvlan: links that share their parent's link-layer address and differ by IP address.

use netlink_packet_route::link::{InfoKind, IpVlanFlags, IpVlanMode};
use rtnetlink::{LinkIpVlan, LinkMessageBuilder};

use super::NewLink;
use crate::netlink::{Attribute, Message};

const IFLA_IPVLAN_MODE: u16 = 1;

/// Where packets of an ipvlan are routed (`enum ipvlan_mode` of `linux/if_link.h`). All links of
/// one parent have the same mode: a new one changes the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpvlanMode {
    /// In the link's own namespace; the parent only switches. ARP and broadcasts work.
    L2,
    /// In the parent's namespace, past its packet filter. No ARP, no broadcasts.
    L3,
    /// As `L3`, and through the parent's packet filter.
    L3s,
    /// A mode this crate does not know, by the kernel's number.
    Other(u16),
}

impl From<u16> for IpvlanMode {
    fn from(number: u16) -> Self {
        match number {
            0 => Self::L2,
            1 => Self::L3,
            2 => Self::L3s,
            other => Self::Other(other),
        }
    }
}

/// Settings of an ipvlan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipvlan {
    /// Where its packets are routed.
    pub mode: IpvlanMode,
}

impl Ipvlan {
    /// The kernel's name of the kind.
    pub const KIND: &'static str = "ipvlan";

    /// The message that creates an ipvlan, which may talk to the parent's other links. Its
    /// link-layer address is the parent's. Refusal: `EBUSY` when the parent is a port of a bridge
    /// or bond or has macvlan links.
    pub fn create(&self, link: &NewLink<'_>) -> Message {
        let mode = match self.mode {
            IpvlanMode::L2 => IpVlanMode::L2,
            IpvlanMode::L3 => IpVlanMode::L3,
            IpvlanMode::L3s => IpVlanMode::L3S,
            IpvlanMode::Other(number) => IpVlanMode::from(number),
        };
        let builder = LinkMessageBuilder::<LinkIpVlan>::new_with_info_kind(InfoKind::IpVlan)
            .mode(mode)
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
