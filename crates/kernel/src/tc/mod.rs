//! Traffic control: queueing disciplines of links, and what happens to packets that come in.
//!
//! `tbf` limits the rate of what leaves a link, `redirect` hands what comes in to another link.
//! Both are asked for by link and place: the kernel answers a listing of queueing disciplines with
//! those of all links, whatever link is named.

mod qdisc;
mod redirect;
mod tbf;

use netlink_packet_route::tc::{TcHandle, TcMessage};

pub use qdisc::{Qdisc, add_ingress, delete_ingress, delete_root};
pub use redirect::{IngressFilter, redirect};
pub use tbf::{TICKS_PER_8_MICROSECONDS, Tbf};

/// `TC_H_ROOT` of `linux/pkt_sched.h`: what leaves the link.
const ROOT: TcHandle = TcHandle {
    major: 0xffff,
    minor: 0xffff,
};
/// `TC_H_INGRESS`: what comes in.
const INGRESS: TcHandle = TcHandle {
    major: 0xffff,
    minor: 0xfff1,
};
/// The handle that a queueing discipline for packets coming in always has.
const INGRESS_HANDLE: TcHandle = TcHandle {
    major: 0xffff,
    minor: 0,
};
/// The handle of the queueing disciplines that this crate makes at the root.
const ROOT_HANDLE: TcHandle = TcHandle { major: 1, minor: 0 };

/// `TCA_KIND` and `TCA_OPTIONS` of `linux/rtnetlink.h`.
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
/// Length of `struct tcmsg`.
const HEADER: usize = 20;

/// A message about one place of a link.
fn at(index: u32, parent: TcHandle, handle: TcHandle) -> TcMessage {
    // Indices are positive, and `int` for the kernel.
    let mut body = TcMessage::with_index(i32::try_from(index).unwrap_or(i32::MAX));
    body.header.parent = parent;
    body.header.handle = handle;
    body
}
