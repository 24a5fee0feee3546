//! Dummy links, which drop every packet.

use netlink_packet_route::link::InfoKind;
use rtnetlink::{LinkDummy, LinkMessageBuilder};

use super::NewLink;
use crate::netlink::Message;

/// A dummy link; it has no settings of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dummy;

impl Dummy {
    /// The kernel's name of the kind.
    pub const KIND: &'static str = "dummy";

    /// The message that creates a dummy link.
    pub fn create(&self, link: &NewLink<'_>) -> Message {
        link.create(
            Self::KIND,
            LinkMessageBuilder::<LinkDummy>::new_with_info_kind(InfoKind::Dummy),
        )
    }
}
