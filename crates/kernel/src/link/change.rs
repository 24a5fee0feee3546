//! Changing links of any kind.

use std::os::fd::{AsFd, AsRawFd as _};

use netlink_packet_core::DefaultNla;
use netlink_packet_route::link::LinkAttribute;
use nix::libc::{AF_INET, RTM_SETLINK};
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use crate::mac::Mac;
use crate::name::check;
use crate::netlink::{AttributeWriter, InvalidRequest, Message};

/// `IFLA_AF_SPEC` of `linux/if_link.h`: settings of address families.
const IFLA_AF_SPEC: u16 = 26;
/// `IFLA_INET_CONF`: settings of IPv4, those below `/proc/sys/net/ipv4/conf`.
const IFLA_INET_CONF: u16 = 1;
/// `IPV4_DEVCONF_ARP_NOTIFY` of `linux/ip.h`.
const ARP_NOTIFY: u16 = 22;

/// Changes to one link, all made by one request.
///
/// The kernel makes them in an order of its own and stops at the first it cannot make.
#[derive(Debug)]
#[must_use = "a change does nothing until its message is sent"]
pub struct LinkChange {
    body: LinkMessageBuilder<LinkUnspec>,
    link: String,
    changes: Vec<String>,
    by_name: bool,
    fault: Option<InvalidRequest>,
}

impl LinkChange {
    /// Changes to the link of this index.
    pub fn new(index: u32) -> Self {
        Self::to(LinkUnspec::new_with_index(index), index.to_string())
    }

    /// Changes to the link of this name, also one that an earlier message of the batch creates.
    pub fn of_name(name: &str) -> Self {
        let mut change = Self::to(LinkUnspec::new_with_name(name), format!("{name:?}"));
        change.by_name = true;
        change.fault = check(name).err().map(InvalidRequest::from);
        change
    }

    fn to(body: LinkMessageBuilder<LinkUnspec>, link: String) -> Self {
        Self {
            body,
            link,
            changes: Vec::new(),
            by_name: false,
            fault: None,
        }
    }

    /// Sets it up.
    pub fn up(self) -> Self {
        self.with("up".into(), LinkMessageBuilder::up)
    }

    /// Sets it down.
    pub fn down(self) -> Self {
        self.with("down".into(), LinkMessageBuilder::down)
    }

    /// Gives it another name, 1 to 15 bytes. Not for changes begun by [`LinkChange::of_name`],
    /// because the kernel would take the new name for the one to look up. Kernel 6.1 refuses to
    /// rename a link that is up (6.18 does not), and a `down` in the same request comes too late.
    pub fn name(mut self, name: &str) -> Self {
        let fault = match check(name) {
            Err(reason) => Some(reason.into()),
            Ok(()) => self.by_name.then_some(InvalidRequest::RenameByName),
        };
        self.fault = self.fault.or(fault);
        self.with(format!("name {name:?}"), |body| body.name(name))
    }

    /// Gives it another link-layer address. A bridge given one, even the one it has, no longer
    /// takes its address from its ports.
    pub fn mac(self, mac: Mac) -> Self {
        self.with(format!("address {mac}"), |body| {
            body.address(mac.as_bytes().to_vec())
        })
    }

    /// Sets its largest packet in bytes.
    pub fn mtu(self, mtu: u32) -> Self {
        self.with(format!("mtu {mtu}"), |body| body.mtu(mtu))
    }

    /// Makes it a port of the bridge, VRF or bond of this index.
    pub fn master(self, master: u32) -> Self {
        self.with(format!("master {master}"), |body| body.controller(master))
    }

    /// Removes it from its bridge, VRF or bond.
    pub fn no_master(self) -> Self {
        self.with("no master".into(), LinkMessageBuilder::nocontroller)
    }

    /// Attaches a free text of at most 255 bytes; an empty one removes it.
    pub fn alias(self, alias: &str) -> Self {
        self.with(format!("alias {alias:?}"), |body| body.alias(alias))
    }

    /// Puts it into a device group; the group 0 is that of every link by itself.
    pub fn group(self, group: u32) -> Self {
        self.with(format!("group {group}"), |body| {
            body.append_extra_attribute(LinkAttribute::Group(group))
        })
    }

    /// Sets promiscuous mode.
    pub fn promisc(self, on: bool) -> Self {
        let word = if on { "promisc on" } else { "promisc off" };
        self.with(word.into(), |body| body.promiscuous(on))
    }

    /// Sets reception of all multicast packets.
    pub fn all_multicast(self, on: bool) -> Self {
        let word = if on {
            "allmulticast on"
        } else {
            "allmulticast off"
        };
        self.with(word.into(), |body| body.allmulticast(on))
    }

    /// Sets how many packets the transmit queue holds.
    pub fn tx_queue_len(self, packets: u32) -> Self {
        self.with(format!("txqueuelen {packets}"), |body| {
            body.append_extra_attribute(LinkAttribute::TxQueueLen(packets))
        })
    }

    /// Sets `arp_notify`: the kernel announces the link's IPv4 addresses by gratuitous ARP whenever it
    /// comes up or gets a link-layer address.
    pub fn arp_notify(self) -> Self {
        self.with("arp_notify 1".into(), |body| {
            body.append_extra_attribute(LinkAttribute::Other(arp_notify()))
        })
    }

    /// Moves it into a namespace, which must stay open until the message has been sent. It may
    /// get another index there; a taken name is an error.
    pub fn netns(self, netns: impl AsFd) -> Self {
        let fd = netns.as_fd().as_raw_fd();
        self.with("netns".into(), |body| body.setns_by_fd(fd))
    }

    /// The message that makes the changes.
    pub fn message(self) -> Message {
        let operation = format!("change link {} ({})", self.link, self.changes.join(", "));
        match self.fault {
            None => Message::new(operation, RTM_SETLINK, 0, &self.body.build()),
            Some(reason) => Message::invalid(operation, reason),
        }
    }

    fn with(
        mut self,
        words: String,
        set: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>,
    ) -> Self {
        self.changes.push(words);
        self.body = set(self.body);
        self
    }
}

/// The setting `arp_notify`, three levels deep as the kernel wants it.
fn arp_notify() -> DefaultNla {
    // Address families are 8 bits wide where the C library says `int`.
    let family = u16::try_from(AF_INET).unwrap_or_default();
    let mut families = AttributeWriter::default();
    families.nested(family, |inet| {
        inet.nested(IFLA_INET_CONF, |settings| {
            settings.u32(ARP_NOTIFY, 1);
        });
    });
    DefaultNla::new(IFLA_AF_SPEC, families.into())
}
