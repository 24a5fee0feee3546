//! Links: network interfaces of every kind.
//!
//! One file per kind makes the messages that create it ([`veth`], [`bridge`], [`macvlan`], …), for
//! single links from a [`NewLink`]; [`change`] alters and removes links of any kind, [`port`] and
//! [`bridge_vlan`] what a bridge keeps per port. [`DriverSettings`] are what is read back.

pub mod bridge;
pub mod bridge_vlan;
pub mod change;
mod driver;
pub mod dummy;
pub mod ifb;
pub mod ipvlan;
pub mod macvlan;
mod new;
mod parse;
pub mod port;
pub mod query;
pub mod veth;
pub mod vlan;
pub mod vrf;

use netlink_packet_core::DefaultNla;
pub use netlink_packet_route::link::State as OperState;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use nix::libc::{NLM_F_CREATE, NLM_F_EXCL, RTM_DELLINK, RTM_NEWLINK};

use crate::mac::Mac;
use crate::name::{LONGEST_NAME, NameError, check, check_sought};
use crate::netlink::{Message, flag};
pub use driver::DriverSettings;
use ipvlan::Ipvlan;
use macvlan::Macvlan;
pub use new::NewLink;
use parse::IFLA_ALT_IFNAME;
use port::PortState;
use vlan::Vlan;
use vrf::Vrf;

/// A link as the kernel described it at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Number within the namespace, never 0.
    pub index: u32,
    /// Name within the namespace.
    pub name: String,
    /// Link-layer address; `None` for links without one.
    pub mac: Option<Mac>,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// `veth`, `bridge`, …; `None` for hardware and `lo`.
    pub kind: Option<String>,
    /// Index of the bridge, VRF or bond it is a port of.
    pub master: Option<u32>,
    /// `IFLA_LINK`: for a veth its peer's index, for a VLAN or macvlan its parent's, both counted
    /// in the namespace `link_netnsid` stands for when that is set.
    pub peer_index: Option<u32>,
    /// The kernel's number, in this namespace, for the namespace the peer or parent is in; `None`
    /// when it is this one.
    pub link_netnsid: Option<i32>,
    /// Free text attached by an administrator or a program.
    pub alias: Option<String>,
    /// The device group it is in; 0 unless somebody has put it into another one.
    pub group: u32,
    /// Whether it is switched on (`IFF_UP`); whether it works is [`Link::operstate`].
    pub up: bool,
    /// Whether it was switched to promiscuous mode (`IFF_PROMISC`). The kernel reports the switch
    /// alone (`dev_get_flags` in `net/core/dev.c`), not what else makes the link promiscuous.
    pub promiscuous: bool,
    /// How many users want every packet on the wire; the switch is one of them.
    pub promiscuity: u32,
    /// How many packets the transmit queue holds.
    pub tx_queue_len: u32,
    /// Whether it takes all multicast packets (`IFF_ALLMULTI`).
    pub all_multicast: bool,
    /// Whether it can carry packets now (RFC 2863).
    pub operstate: OperState,
    /// Further names, up to 127 bytes each.
    pub altnames: Vec<String>,
    /// What the bridge keeps about it; only for ports of a bridge.
    pub port: Option<PortState>,
    /// Whether VLAN filtering is on; only for bridges.
    pub vlan_filtering: Option<bool>,
    /// What its driver adds, for the kinds that are read.
    pub settings: Option<DriverSettings>,
}

impl Link {
    /// Whether the link is of this kind (`veth`, `bridge`, …).
    pub fn is_kind(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }
}

/// Removes a link by its index; an absent one is an error ([`NetlinkError::is_not_found`]).
///
/// [`NetlinkError::is_not_found`]: crate::netlink::NetlinkError::is_not_found
pub fn delete(index: u32) -> Message {
    let mut body = LinkMessage::default();
    body.header.index = index;
    Message::new(format!("delete link {index}"), RTM_DELLINK, 0, &body)
}

/// Removes all links of a device group at once; an empty group is an error, and the group 0, in which
/// every link is by itself, is refused.
pub fn delete_group(group: u32) -> Message {
    let mut body = LinkMessage::default();
    body.attributes.push(LinkAttribute::Group(group));
    let operation = format!("delete links of group {group}");
    Message::new(operation, RTM_DELLINK, 0, &body)
}

/// Removes a link by its name or alternative name; an absent one is an error.
pub fn delete_by_name(name: &str) -> Message {
    let operation = format!("delete link {name:?}");
    match name_attribute(name) {
        Ok(attribute) => {
            let mut body = LinkMessage::default();
            body.attributes.push(attribute);
            Message::new(operation, RTM_DELLINK, 0, &body)
        }
        Err(reason) => Message::invalid(operation, reason.into()),
    }
}

/// The message that creates a link, which must not exist yet, unless one of `names` cannot be a
/// name.
pub(crate) fn create(kind: &str, names: &[&str], body: &LinkMessage) -> Message {
    let operation = format!(
        "create {kind} {:?}",
        names.first().copied().unwrap_or_default()
    );
    match names.iter().try_for_each(|name| check(name)) {
        Ok(()) => Message::new(
            operation,
            RTM_NEWLINK,
            flag(NLM_F_CREATE) | flag(NLM_F_EXCL),
            body,
        ),
        Err(reason) => Message::invalid(operation, reason.into()),
    }
}

/// The attribute by which the kernel finds a link: names of more than 15 bytes can only be
/// alternative names.
fn name_attribute(name: &str) -> Result<LinkAttribute, NameError> {
    check_sought(name)?;
    Ok(if name.len() > LONGEST_NAME {
        let text = [name.as_bytes(), &[0]].concat();
        LinkAttribute::Other(DefaultNla::new(IFLA_ALT_IFNAME, text))
    } else {
        LinkAttribute::IfName(name.to_owned())
    })
}
