//! Macvlan: links with a link-layer address of their own on a shared parent.

pub use netlink_packet_route::link::MacVlanMode;
use netlink_packet_route::link::{InfoKind, InfoMacVlan};
use rtnetlink::{LinkMacVlan, LinkMessageBuilder};

use super::NewLink;
use crate::netlink::{Attribute, Message};

const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_MACVLAN_BC_QUEUE_LEN: u16 = 7;

/// Settings of a macvlan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Macvlan {
    /// Which other links of the parent it reaches: `Private` none, `Vepa` all by way of a switch that
    /// sends frames back (802.1Qbg), `Bridge` those of this mode directly. `Passthrough` is the
    /// parent's only link and has the parent's link-layer address.
    pub mode: MacVlanMode,
    /// How many broadcast and multicast frames it asks the parent to hold for processing; the
    /// parent holds as many as its most demanding link asks for. When creating, `None` leaves the
    /// kernel's default (1000); when read, `None` comes from kernels before 5.11.
    pub broadcast_queue: Option<u32>,
}

impl Macvlan {
    /// The kernel's name of the kind.
    pub const KIND: &'static str = "macvlan";

    /// The message that creates a macvlan. Refusals: `EBUSY` when the parent is a port of a bridge
    /// or bond or has ipvlan links, `EINVAL` for a second link beside one of mode
    /// [`Passthrough`](MacVlanMode::Passthrough).
    pub fn create(&self, link: &NewLink<'_>) -> Message {
        let mut builder = LinkMessageBuilder::<LinkMacVlan>::new_with_info_kind(InfoKind::MacVlan)
            .mode(self.mode);
        if let Some(length) = self.broadcast_queue {
            builder = builder.append_info_data(InfoMacVlan::BcQueueLen(length));
        }
        link.create(Self::KIND, builder)
    }

    /// Reads `IFLA_INFO_DATA`.
    pub(super) fn read(data: Attribute<'_>) -> Option<Self> {
        let data = data.nested();
        Some(Self {
            mode: data.u32(IFLA_MACVLAN_MODE)?.into(),
            broadcast_queue: data.u32(IFLA_MACVLAN_BC_QUEUE_LEN),
        })
    }
}
