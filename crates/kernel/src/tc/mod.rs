//! Traffic control (tc(8)): queueing disciplines of links, and filters of received packets.
//!
//! `tbf` limits the rate of a link's egress, `redirect` sends a link's ingress to another link.
//! Queueing disciplines are looked up by link and parent: a dump has those of all links, whatever
//! link the request names.

mod qdisc;
mod redirect;
mod tbf;

use netlink_packet_route::tc::{TcHandle, TcMessage};

pub use qdisc::{Qdisc, add_ingress, delete_ingress, delete_root};
pub use redirect::{IngressFilter, redirect};
pub use tbf::{TICKS_PER_8_MICROSECONDS, Tbf};

/// `TC_H_ROOT` of `linux/pkt_sched.h`: egress of the link.
const ROOT: TcHandle = TcHandle {
    major: 0xffff,
    minor: 0xffff,
};
/// `TC_H_INGRESS`: ingress of the link.
const INGRESS: TcHandle = TcHandle {
    major: 0xffff,
    minor: 0xfff1,
};
/// The fixed handle of an `ingress` queueing discipline.
const INGRESS_HANDLE: TcHandle = TcHandle {
    major: 0xffff,
    minor: 0,
};
/// The handle of root queueing disciplines that this crate creates.
const ROOT_HANDLE: TcHandle = TcHandle { major: 1, minor: 0 };

/// `TCA_KIND` and `TCA_OPTIONS` of `linux/rtnetlink.h`.
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
/// Length of `struct tcmsg`.
const HEADER: usize = 20;

/// The body of a request about the object of this parent and handle on a link.
fn at(index: u32, parent: TcHandle, handle: TcHandle) -> TcMessage {
    // The kernel's type of an index is `int`.
    let mut body = TcMessage::with_index(i32::try_from(index).unwrap_or(i32::MAX));
    body.header.parent = parent;
    body.header.handle = handle;
    body
}
