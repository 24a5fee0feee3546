//! The VLANs of a port of a bridge that filters by VLAN.

use netlink_packet_route::link::{
    AfSpecBridge, BridgeFlag, BridgeVlanInfoFlags, LinkAttribute, LinkExtentMask, LinkMessage,
};
use nix::errno::Errno;
use nix::libc::{AF_BRIDGE, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK};
use rtnetlink::{LinkBridgeVlan, LinkMessageBuilder};

use super::parse;
use crate::netlink::{
    AttributeWriter, Attributes, Malformed, Message, NetlinkError, Parsed, RtnlSocket, u32_at,
};

/// `RTM_GETVLAN` of `linux/rtnetlink.h`, from kernel 5.6 on.
const RTM_GETVLAN: u16 = 114;
/// Length of `struct br_vlan_msg` of `linux/if_bridge.h`.
const VLAN_HEADER: usize = 8;
const BRIDGE_VLANDB_ENTRY: u16 = 1;
const BRIDGE_VLANDB_ENTRY_INFO: u16 = 1;
const BRIDGE_VLANDB_ENTRY_RANGE: u16 = 2;

const IFLA_AF_SPEC: u16 = 26;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;

/// How a port treats packets of a VLAN.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VlanFlags {
    /// Untagged packets coming in belong to this VLAN; a port has at most one such.
    pub pvid: bool,
    /// Packets of this VLAN leave without a tag.
    pub untagged: bool,
}

/// One VLAN of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortVlan {
    /// VLAN number, 1 to 4094.
    pub vid: u16,
    /// How its packets are treated.
    pub flags: VlanFlags,
}

/// Lets a port carry VLANs.
pub fn add_vlans(index: u32, vids: &[u16], flags: VlanFlags) -> Message {
    let operation = format!("add {} to port {index}", described(vids));
    Message::new(operation, RTM_SETLINK, 0, &change(index, vids, flags))
}

/// Takes VLANs from a port. One it does not carry is no error to the kernel.
pub fn delete_vlans(index: u32, vids: &[u16]) -> Message {
    let operation = format!("delete {} from port {index}", described(vids));
    Message::new(
        operation,
        RTM_DELLINK,
        0,
        &change(index, vids, VlanFlags::default()),
    )
}

impl RtnlSocket {
    /// The VLANs a port of a bridge carries, ascending; none where the kernel knows no filtering by
    /// VLAN. An absent link is an error ([`NetlinkError::is_not_found`]), one that is no port too.
    pub fn port_vlans(&self, index: u32) -> Result<Vec<PortVlan>, NetlinkError> {
        let operation = || format!("list VLANs of port {index}");
        let parse = |payload: &[u8]| vlans_of_entry(payload, index);
        match self
            .socket
            .dump(&operation, RTM_GETVLAN, &get_vlans(index), parse)
        {
            Ok(found) => Ok(found.concat()),
            // Before 5.6 there is only the dump of all ports of all bridges.
            Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => {
                let mut body = LinkMessageBuilder::<LinkBridgeVlan>::default().build();
                body.header.interface_family = netlink_packet_route::AddressFamily::Bridge;
                let wanted = vec![LinkExtentMask::Brvlan];
                body.attributes.push(LinkAttribute::ExtMask(wanted));
                let parse = |payload: &[u8]| vlans_of_link(payload, index);
                Ok(self
                    .socket
                    .dump(&operation, RTM_GETLINK, &body, parse)?
                    .concat())
            }
            Err(error) => Err(error),
        }
    }
}

fn described(vids: &[u16]) -> String {
    match vids {
        [vid] => format!("VLAN {vid}"),
        _ => format!("{} VLANs", vids.len()),
    }
}

/// The port's VLANs as the bridge (the port's master) keeps them.
fn change(index: u32, vids: &[u16], flags: VlanFlags) -> LinkMessage {
    let mut raw = BridgeVlanInfoFlags::empty();
    raw.set(BridgeVlanInfoFlags::Pvid, flags.pvid);
    raw.set(BridgeVlanInfoFlags::Untagged, flags.untagged);
    let port =
        LinkBridgeVlan::new(index).append_af_spec(AfSpecBridge::Flags(BridgeFlag::Controller));
    vids.iter()
        .fold(port, |port, vid| port.vlan(*vid, raw))
        .build()
}

/// `struct br_vlan_msg`: family, padding, index of the port to which the dump is limited.
fn get_vlans(port: u32) -> AttributeWriter {
    let [a, b, c, d] = port.to_ne_bytes();
    // AF_BRIDGE is 7.
    let family = u8::try_from(AF_BRIDGE).unwrap_or_default();
    AttributeWriter::after(&[family, 0, 0, 0, a, b, c, d])
}

/// Reads one reply to [`RTM_GETVLAN`]: entries that stand for one VLAN or a range.
fn vlans_of_entry(payload: &[u8], port: u32) -> Parsed<Vec<PortVlan>> {
    if u32_at(payload, 4).ok_or(Malformed)? != port {
        return Ok(None);
    }
    let attributes = Attributes::after(VLAN_HEADER, payload).ok_or(Malformed)?;
    let mut vlans = Vec::new();
    for entry in attributes.filter(|found| found.kind == BRIDGE_VLANDB_ENTRY) {
        let entry = entry.nested();
        let info = entry.get(BRIDGE_VLANDB_ENTRY_INFO).ok_or(Malformed)?;
        let first = VlanInfo::parse(info.value).ok_or(Malformed)?;
        let last = entry.u16(BRIDGE_VLANDB_ENTRY_RANGE).unwrap_or(first.vid);
        vlans.extend((first.vid..=last).map(|vid| first.port_vlan(vid)));
    }
    Ok(Some(vlans))
}

/// Reads one reply of the dump of all bridge ports.
fn vlans_of_link(payload: &[u8], port: u32) -> Parsed<Vec<PortVlan>> {
    let (index, attributes) = parse::split(payload).ok_or(Malformed)?;
    if index != port {
        return Ok(None);
    }
    let Some(specification) = attributes.nested(IFLA_AF_SPEC) else {
        return Ok(None);
    };
    let infos = specification.filter(|found| found.kind == IFLA_BRIDGE_VLAN_INFO);
    infos
        .map(|found| VlanInfo::parse(found.value).map(|info| info.port_vlan(info.vid)))
        .collect::<Option<_>>()
        .ok_or(Malformed)
        .map(Some)
}

/// `struct bridge_vlan_info` of `linux/if_bridge.h`.
#[derive(Debug, Clone, Copy)]
struct VlanInfo {
    flags: BridgeVlanInfoFlags,
    vid: u16,
}

impl VlanInfo {
    fn parse(value: &[u8]) -> Option<Self> {
        let [a, b, c, d] = *value.first_chunk()?;
        let flags = BridgeVlanInfoFlags::from_bits_retain(u16::from_ne_bytes([a, b]));
        Some(Self {
            flags,
            vid: u16::from_ne_bytes([c, d]),
        })
    }

    fn port_vlan(self, vid: u16) -> PortVlan {
        let flags = VlanFlags {
            pvid: self.flags.contains(BridgeVlanInfoFlags::Pvid),
            untagged: self.flags.contains(BridgeVlanInfoFlags::Untagged),
        };
        PortVlan { vid, flags }
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;

    use super::*;

    const UNTAGGED: VlanFlags = VlanFlags {
        pvid: true,
        untagged: true,
    };
    const TAGGED: VlanFlags = VlanFlags {
        pvid: false,
        untagged: false,
    };

    fn bytes(message: &impl Emitable) -> Vec<u8> {
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_change_is_laid_out_as_the_kernel_reads_it() {
        assert_eq!(
            bytes(&change(3, &[100, 0x0abc], UNTAGGED)),
            [
                [7, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].as_slice(), // AF_BRIDGE, link 3
                &[28, 0, 26, 0],                                             // IFLA_AF_SPEC
                &[6, 0, 0, 0, 1, 0, 0, 0], // IFLA_BRIDGE_FLAGS: the master's
                &[8, 0, 2, 0, 6, 0, 100, 0], // IFLA_BRIDGE_VLAN_INFO: PVID, untagged
                &[8, 0, 2, 0, 6, 0, 0xbc, 0x0a], // the same of the other VLAN
            ]
            .concat()
        );
        assert_eq!(bytes(&get_vlans(3)), [7, 0, 0, 0, 3, 0, 0, 0]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn entries_may_stand_for_ranges() {
        let reply = [
            [7, 0, 0, 0, 3, 0, 0, 0].as_slice(),
            &[12, 0, 1, 0x80, 8, 0, 1, 0, 6, 0, 1, 0], // VLAN 1, PVID, untagged
            &[
                20, 0, 1, 0x80, 8, 0, 1, 0, 0, 0, 10, 0, 6, 0, 2, 0, 12, 0, 0, 0,
            ], // 10 to 12
        ]
        .concat();
        let vlan = |vid, flags| PortVlan { vid, flags };
        let expected = [
            vlan(1, UNTAGGED),
            vlan(10, TAGGED),
            vlan(11, TAGGED),
            vlan(12, TAGGED),
        ]
        .to_vec();
        assert_eq!(vlans_of_entry(&reply, 3), Ok(Some(expected)));
        assert_eq!(vlans_of_entry(&reply, 4), Ok(None), "another port's");
        assert_eq!(vlans_of_entry(&reply[..6], 3), Err(Malformed));
    }

    #[test]
    fn the_dump_of_old_kernels_reads_like_a_change() {
        let reply = bytes(&change(3, &[5, 6], UNTAGGED));
        let vlan = |vid| PortVlan {
            vid,
            flags: UNTAGGED,
        };
        assert_eq!(vlans_of_link(&reply, 3), Ok(Some(vec![vlan(5), vlan(6)])));
        assert_eq!(vlans_of_link(&reply, 4), Ok(None));
    }
}
