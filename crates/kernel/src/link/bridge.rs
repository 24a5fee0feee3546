//! Bridges.

use netlink_packet_route::link::{InfoBridge, InfoData, InfoKind};
use rtnetlink::{LinkBridge, LinkMessageBuilder};

use super::create;
use crate::mac::Mac;
use crate::netlink::Message;

/// A bridge to be created.
#[derive(Debug, Clone, Copy)]
pub struct Bridge<'a> {
    /// Name, 1 to 15 bytes.
    pub name: &'a str,
    /// Largest packet in bytes; when absent it follows the ports.
    pub mtu: Option<u32>,
    /// Link-layer address, kept whatever the ports have. When absent it is chosen at random and
    /// follows the ports as they come and go.
    pub mac: Option<Mac>,
    /// Whether ports only carry the VLANs they were given. Needs a kernel with bridge VLAN
    /// filtering; `false` leaves the kernel's default, off, and needs nothing.
    pub vlan_filtering: bool,
}

impl Bridge<'_> {
    /// The message that creates the bridge, down so that it can be configured first. A name that is
    /// taken is an error
    /// ([`NetlinkError::is_exists`](crate::netlink::NetlinkError::is_exists)).
    pub fn create(&self) -> Message {
        // Not LinkBridge::new, which would switch the bridge on.
        let mut bridge =
            LinkMessageBuilder::<LinkBridge>::new_with_info_kind(InfoKind::Bridge).name(self.name);
        if let Some(mtu) = self.mtu {
            bridge = bridge.mtu(mtu);
        }
        if let Some(mac) = self.mac {
            bridge = bridge.address(mac.as_bytes().to_vec());
        }
        if self.vlan_filtering {
            let data = InfoData::Bridge(vec![InfoBridge::VlanFiltering(true)]);
            bridge = bridge.set_info_data(data);
        }
        create("bridge", &[self.name], &bridge.build())
    }
}
