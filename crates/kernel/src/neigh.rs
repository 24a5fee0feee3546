//! Announcing addresses to neighbours.
//!
//! A host that reuses an address is unreachable for others until their neighbour caches have the new
//! link-layer address. The kernel announces a link's addresses itself, by a
//! gratuitous ARP request (RFC 5227 §3) and an unsolicited neighbour advertisement (RFC 4861
//! §7.2.6), when the link comes up or is given a link-layer address. Sending these packets from
//! here would cost more than all the rest of an attachment: closing a packet socket waits for a
//! grace period, 5 ms and more.

use crate::link::Link;
use crate::link::change::LinkChange;
use crate::netlink::Message;

/// The setting below `/proc/sys` that has the kernel announce a link's IPv6 addresses whenever it
/// comes up and whenever it is told to ([`announce`]). For IPv4 it is
/// [`LinkChange::arp_notify`], which takes no `/proc/sys`.
pub fn ipv6_announcements(link: &str) -> String {
    format!("net/ipv6/conf/{link}/ndisc_notify")
}

/// The message that has the kernel announce a link's addresses now, if announcements have been
/// switched on: the link is given the link-layer address it has. `None` for a
/// link without one. Links that cannot be given one (ipvlan) refuse with `EOPNOTSUPP`.
pub fn announce(link: &Link) -> Option<Message> {
    Some(LinkChange::new(link.index).mac(link.mac?).message())
}
