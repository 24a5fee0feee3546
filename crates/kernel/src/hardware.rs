//! The device behind a link, by which a link is recognised in any namespace.

use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use nix::libc::RTM_GETLINK;

use crate::mac::Mac;
use crate::netlink::{Attributes, Malformed, NetlinkError, Parsed, RtnlSocket};

/// Length of `struct ifinfomsg`.
const HEADER: usize = 16;

const IFLA_PERM_ADDRESS: u16 = 54;
const IFLA_PARENT_DEV_NAME: u16 = 56;
const IFLA_PARENT_DEV_BUS_NAME: u16 = 57;

/// What nobody in a container can change about a link: empty for links that no hardware is behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hardware {
    /// The link-layer address the device was made with.
    pub permanent_mac: Option<Mac>,
    /// The bus the device is on, `pci` or `auxiliary` for example; kernels before 5.14 do not tell.
    pub bus: Option<String>,
    /// The device's name on that bus, `0000:3b:00.2` for example. Several links may share it.
    pub device: Option<String>,
}

impl Hardware {
    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        self.permanent_mac.is_none() && self.device.is_none()
    }
}

impl RtnlSocket {
    /// What is behind the link of this index; `None` when there is no such link.
    pub fn hardware(&self, index: u32) -> Result<Option<Hardware>, NetlinkError> {
        let mut body = LinkMessage::default();
        body.header.index = index;
        let mask = LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]);
        body.attributes.push(mask);
        let operation = || format!("look up the device of link {index}");
        NetlinkError::none_if_not_found(self.socket.get(&operation, RTM_GETLINK, &body, parse))
    }
}

fn parse(payload: &[u8]) -> Parsed<Hardware> {
    let mut hardware = Hardware::default();
    for attribute in Attributes::after(HEADER, payload).ok_or(Malformed)? {
        match attribute.kind {
            IFLA_PERM_ADDRESS => hardware.permanent_mac = Mac::from_bytes(attribute.value).ok(),
            IFLA_PARENT_DEV_NAME => hardware.device = Some(attribute.text()),
            IFLA_PARENT_DEV_BUS_NAME => hardware.bus = Some(attribute.text()),
            _ => {}
        }
    }
    Ok(Some(hardware))
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{DefaultNla, Emitable as _};

    use super::*;

    #[test]
    fn bus_device_and_address_are_read() {
        let mut message = LinkMessage::default();
        let other = |kind, value: &[u8]| LinkAttribute::Other(DefaultNla::new(kind, value.into()));
        message.attributes = vec![
            LinkAttribute::IfName("eth0".into()),
            other(IFLA_PERM_ADDRESS, &[2, 0, 0, 0, 0, 1]),
            other(IFLA_PARENT_DEV_NAME, b"0000:3b:00.2\0"),
            other(IFLA_PARENT_DEV_BUS_NAME, b"pci\0"),
        ];
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        let expected = Hardware {
            permanent_mac: Some(Mac::from([2, 0, 0, 0, 0, 1])),
            bus: Some("pci".into()),
            device: Some("0000:3b:00.2".into()),
        };
        assert!(!expected.is_unknown());
        assert_eq!(parse(&bytes), Ok(Some(expected)));
        assert_eq!(parse(&bytes[..8]), Err(Malformed));
    }
}
