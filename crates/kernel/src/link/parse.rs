//! Reading links out of replies: `struct ifinfomsg` and the attributes of `linux/if_link.h`.

use nix::libc::{AF_UNSPEC, IFF_ALLMULTI, IFF_PROMISC, IFF_UP};

use super::port::PortState;
use super::{DriverSettings, Link, OperState};
use crate::mac::Mac;
use crate::netlink::{Attribute, Attributes, Malformed, Parsed, u32_at};

/// Length of `struct ifinfomsg`.
pub(super) const HEADER: usize = 16;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_GROUP: u16 = 27;
const IFLA_PROMISCUITY: u16 = 30;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_PROP_LIST: u16 = 52;
pub(super) const IFLA_ALT_IFNAME: u16 = 53;

const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;

const IFLA_BR_VLAN_FILTERING: u16 = 7;

const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_ISOLATED: u16 = 33;

/// The index and the attributes of a reply about a link.
pub(super) fn split(payload: &[u8]) -> Option<(u32, Attributes<'_>)> {
    Some((u32_at(payload, 4)?, Attributes::after(HEADER, payload)?))
}

/// The index of the link that a notification of type `RTM_DELLINK` is about; `None` if a link has
/// only left its bridge (`AF_BRIDGE` in place of `AF_UNSPEC`).
pub(super) fn index_of_removed(payload: &[u8]) -> Option<u32> {
    let family = i32::from(*payload.first()?);
    let (index, _) = split(payload).filter(|_| family == AF_UNSPEC)?;
    Some(index)
}

/// Reads one link.
pub(super) fn link(payload: &[u8]) -> Parsed<Link> {
    let (index, attributes) = split(payload).ok_or(Malformed)?;
    let flags = u32_at(payload, 8).ok_or(Malformed)?.cast_signed();
    let mut link = Link {
        index,
        name: String::new(),
        mac: None,
        mtu: 0,
        kind: None,
        master: None,
        peer_index: None,
        link_netnsid: None,
        alias: None,
        group: 0,
        up: flags & IFF_UP != 0,
        all_multicast: flags & IFF_ALLMULTI != 0,
        promiscuous: flags & IFF_PROMISC != 0,
        promiscuity: 0,
        tx_queue_len: 0,
        operstate: OperState::Unknown,
        altnames: Vec::new(),
        port: None,
        vlan_filtering: None,
        settings: None,
    };
    for attribute in attributes {
        match attribute.kind {
            IFLA_ADDRESS => link.mac = Mac::from_bytes(attribute.value).ok(),
            IFLA_IFNAME => link.name = attribute.text(),
            IFLA_MTU => link.mtu = attribute.u32().ok_or(Malformed)?,
            // Some kinds report 0 for "none".
            IFLA_LINK => link.peer_index = attribute.u32().filter(|peer| *peer != 0),
            IFLA_MASTER => link.master = attribute.u32().filter(|master| *master != 0),
            IFLA_TXQLEN => link.tx_queue_len = attribute.u32().ok_or(Malformed)?,
            IFLA_OPERSTATE => link.operstate = attribute.u8().ok_or(Malformed)?.into(),
            IFLA_LINKINFO => link_info(&mut link, attribute),
            IFLA_IFALIAS => link.alias = Some(attribute.text()).filter(|alias| !alias.is_empty()),
            IFLA_GROUP => link.group = attribute.u32().ok_or(Malformed)?,
            IFLA_PROMISCUITY => link.promiscuity = attribute.u32().ok_or(Malformed)?,
            IFLA_LINK_NETNSID => link.link_netnsid = attribute.i32().filter(|id| *id >= 0),
            IFLA_PROP_LIST => {
                let names = attribute
                    .nested()
                    .filter(|found| found.kind == IFLA_ALT_IFNAME);
                link.altnames.extend(names.map(|found| found.text()));
            }
            _ => {}
        }
    }
    if link.name.is_empty() {
        Err(Malformed)
    } else {
        Ok(Some(link))
    }
}

/// Reads what the link's own driver and its master's driver add.
fn link_info(link: &mut Link, info: Attribute<'_>) {
    let info = info.nested();
    link.kind = info.text(IFLA_INFO_KIND);
    let data = info.get(IFLA_INFO_DATA);
    link.settings = link
        .kind
        .as_deref()
        .zip(data)
        .and_then(|(kind, data)| DriverSettings::read(kind, data));
    if link.is_kind("bridge") {
        let filtering = data.and_then(|data| data.nested().u8(IFLA_BR_VLAN_FILTERING));
        link.vlan_filtering = filtering.map(|value| value != 0);
    }
    if info.text(IFLA_INFO_SLAVE_KIND).as_deref() == Some("bridge") {
        link.port = info.nested(IFLA_INFO_SLAVE_DATA).map(|data| port(&data));
    }
}

fn port(data: &Attributes<'_>) -> PortState {
    let is_on = |kind| data.u8(kind).is_some_and(|value| value != 0);
    PortState {
        hairpin: is_on(IFLA_BRPORT_MODE),
        isolated: is_on(IFLA_BRPORT_ISOLATED),
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable as _;
    use netlink_packet_route::link::{
        InfoBridge, InfoBridgePort, InfoData, InfoIpVlan, InfoKind, InfoMacVlan, InfoPortData,
        InfoPortKind, InfoVlan, IpVlanMode, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
        MacVlanMode, Prop, State,
    };

    use super::*;
    use crate::link::ipvlan::Ipvlan;
    use crate::link::macvlan::Macvlan;
    use crate::link::vlan::Vlan;

    fn parsed(attributes: Vec<LinkAttribute>) -> Parsed<Link> {
        let mut message = LinkMessage::default();
        message.header.index = 7;
        message.header.flags = LinkFlags::Up | LinkFlags::Broadcast | LinkFlags::Promisc;
        message.attributes = attributes;
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        link(&bytes)
    }

    #[test]
    fn a_bridge_port_is_read_with_all_it_has() {
        let link = parsed(vec![
            LinkAttribute::IfName("veth0".into()),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
            LinkAttribute::Mtu(1400),
            LinkAttribute::Link(3),
            LinkAttribute::LinkNetNsId(0),
            LinkAttribute::Controller(5),
            LinkAttribute::OperState(State::LowerLayerDown),
            LinkAttribute::IfAlias("some text".into()),
            LinkAttribute::Group(9),
            LinkAttribute::Promiscuity(2),
            LinkAttribute::TxQueueLen(500),
            LinkAttribute::PropList(vec![
                Prop::AltIfName("first".into()),
                Prop::AltIfName("second".into()),
            ]),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::PortKind(InfoPortKind::Bridge),
                LinkInfo::PortData(InfoPortData::BridgePort(vec![
                    InfoBridgePort::HairpinMode(true),
                    InfoBridgePort::Isolated(false),
                ])),
            ]),
        ]);
        let expected = Link {
            index: 7,
            name: "veth0".into(),
            mac: Some(Mac::from([2, 0, 0, 0, 0, 1])),
            mtu: 1400,
            kind: Some("veth".into()),
            master: Some(5),
            peer_index: Some(3),
            link_netnsid: Some(0),
            alias: Some("some text".into()),
            group: 9,
            up: true,
            all_multicast: false,
            promiscuous: true,
            promiscuity: 2,
            tx_queue_len: 500,
            operstate: OperState::LowerLayerDown,
            altnames: vec!["first".into(), "second".into()],
            port: Some(PortState {
                hairpin: true,
                isolated: false,
            }),
            vlan_filtering: None,
            settings: None,
        };
        assert_eq!(link, Ok(Some(expected)));
    }

    #[test]
    fn a_bridge_tells_whether_it_filters() {
        let link = parsed(vec![
            LinkAttribute::IfName("cni0".into()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Bridge),
                LinkInfo::Data(InfoData::Bridge(vec![InfoBridge::VlanFiltering(true)])),
            ]),
        ]);
        let link = link.unwrap().unwrap();
        assert_eq!((link.vlan_filtering, link.port), (Some(true), None));
    }

    #[test]
    fn what_drivers_add_is_read_by_kind() {
        let settings = |kind: InfoKind, data: InfoData| {
            let link = parsed(vec![
                LinkAttribute::IfName("eth0".into()),
                LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]),
            ]);
            link.unwrap().unwrap().settings
        };
        let macvlan = vec![
            InfoMacVlan::Mode(MacVlanMode::Passthrough),
            InfoMacVlan::BcQueueLen(77),
        ];
        assert_eq!(
            settings(InfoKind::MacVlan, InfoData::MacVlan(macvlan)),
            Some(DriverSettings::Macvlan(Macvlan {
                mode: MacVlanMode::Passthrough,
                broadcast_queue: Some(77),
            }))
        );
        let ipvlan = vec![InfoIpVlan::Mode(IpVlanMode::L3S)];
        assert_eq!(
            settings(InfoKind::IpVlan, InfoData::IpVlan(ipvlan)),
            Some(DriverSettings::Ipvlan(Ipvlan {
                mode: IpVlanMode::L3S
            }))
        );
        let vlan = vec![InfoVlan::Id(4094)];
        assert_eq!(
            settings(InfoKind::Vlan, InfoData::Vlan(vlan)),
            Some(DriverSettings::Vlan(Vlan { id: 4094 }))
        );
        assert_eq!(
            settings(InfoKind::MacVlan, InfoData::MacVlan(vec![])),
            None,
            "a macvlan without a mode"
        );
    }

    #[test]
    fn what_is_too_short_is_malformed() {
        assert_eq!(link(&[0; 8]), Err(Malformed));
        assert_eq!(parsed(vec![]), Err(Malformed), "a link without a name");
    }
}
