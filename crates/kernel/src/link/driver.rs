//! Settings of a link's driver, and whether the kernel has the driver.

use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use nix::errno::Errno;
use nix::libc::{NLM_F_CREATE, NLM_F_EXCL, RTM_NEWLINK};

use super::{Ipvlan, Macvlan, Vlan, Vrf};
use crate::netlink::{Attribute, Message, NetlinkError, RtnlSocket, flag};
use crate::tap::TapSettings;

/// Settings of the kinds of link that this crate reads back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverSettings {
    /// Of kind `macvlan`.
    Macvlan(Macvlan),
    /// Of kind `ipvlan`.
    Ipvlan(Ipvlan),
    /// Of kind `vlan`.
    Vlan(Vlan),
    /// Of kind `vrf`.
    Vrf(Vrf),
    /// Of kind `tun`: a tap.
    Tap(TapSettings),
}

impl DriverSettings {
    /// Reads `IFLA_INFO_DATA` of a link of this kind; `None` for kinds without settings here.
    pub(super) fn read(kind: &str, data: Attribute<'_>) -> Option<Self> {
        match kind {
            Macvlan::KIND => Macvlan::read(data).map(Self::Macvlan),
            Ipvlan::KIND => Ipvlan::read(data).map(Self::Ipvlan),
            Vlan::KIND => Vlan::read(data).map(Self::Vlan),
            Vrf::KIND => Vrf::read(data).map(Self::Vrf),
            TapSettings::KIND => Some(Self::Tap(TapSettings::read(data))),
            _ => None,
        }
    }
}

impl RtnlSocket {
    /// Whether the kernel has the driver for links of this kind, or can load it. Nothing is made.
    ///
    /// The kernel is asked for a link that no Ethernet-like driver makes: without a parent and with
    /// a link-layer address of one byte. It looks for the driver first.
    pub fn has_driver(&self, kind: &str) -> Result<bool, NetlinkError> {
        let mut body = LinkMessage::default();
        body.attributes.push(LinkAttribute::Address(vec![0]));
        body.attributes
            .push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(
                InfoKind::Other(kind.to_owned()),
            )]));
        let flags = flag(NLM_F_CREATE) | flag(NLM_F_EXCL);
        let operation = format!("look for the driver {kind:?}");
        match self.execute(Message::new(operation, RTM_NEWLINK, flags, &body)) {
            Ok(()) => Ok(true),
            Err(error) => match error.errno() {
                Some(Errno::EOPNOTSUPP) => Ok(false),
                Some(Errno::EINVAL | Errno::EADDRNOTAVAIL) => Ok(true),
                _ => Err(error),
            },
        }
    }
}
