//! The netlink socket of the packet filter and of connection tracking (`NETLINK_NETFILTER`).
//!
//! Messages of both have `struct nfgenmsg` in front of the attributes and numbers in network order.

use std::cell::RefCell;
use std::fs::metadata;
use std::os::unix::fs::MetadataExt as _;
use std::rc::Rc;

use netlink_sys::protocols::NETLINK_NETFILTER;

use ferrule_kernel::netlink::{AttributeWriter, Attributes, NetlinkError, Socket};
use ferrule_kernel::netns::current_path;

/// Length of `struct nfgenmsg` of `linux/netfilter/nfnetlink.h`.
const HEADER: usize = 4;

/// `NFNETLINK_V0`.
const VERSION: u8 = 0;

/// The type of a message: subsystem (`NFNL_SUBSYS_*`) and message of it.
pub(crate) const fn kind(subsystem: u8, message: u8) -> u16 {
    u16::from_be_bytes([subsystem, message])
}

/// A request about a protocol family (`NFPROTO_*`).
pub(crate) fn request(family: u8) -> AttributeWriter {
    request_with_resource(family, 0)
}

/// As [`request`], with the number that `struct nfgenmsg` calls resource id.
pub(crate) fn request_with_resource(family: u8, resource: u16) -> AttributeWriter {
    let [high, low] = resource.to_be_bytes();
    AttributeWriter::after(&[family, VERSION, high, low])
}

/// The attributes of a reply; none if it is shorter than its header.
pub(crate) fn attributes(payload: &[u8]) -> Attributes<'_> {
    Attributes::after(HEADER, payload).unwrap_or_default()
}

thread_local! {
    /// The thread's socket, with the namespace it belongs to.
    static SOCKET: RefCell<Option<(NamespaceNumber, Rc<Socket>)>> = const { RefCell::new(None) };
}

/// Device and inode number of a namespace. The socket keeps its namespace alive, so the number
/// is not given to another one meanwhile.
type NamespaceNumber = (u64, u64);

/// The socket of the namespace the calling thread is in. A thread has one, until it ends or opens
/// one in another namespace.
///
/// Closing such a socket waits until the kernel has disposed of all that was deleted from
/// rulesets, a grace period of ten milliseconds and more. A socket that stays open lets whatever
/// comes next go on meanwhile.
pub(crate) fn open() -> Result<Rc<Socket>, NetlinkError> {
    let here = metadata(current_path())
        .map(|found| (found.dev(), found.ino()))
        .ok();
    SOCKET.with_borrow_mut(|known| match known {
        Some((namespace, socket)) if here == Some(*namespace) => Ok(Rc::clone(socket)),
        _ => {
            let socket = Rc::new(Socket::open(NETLINK_NETFILTER)?);
            *known = here.map(|namespace| (namespace, Rc::clone(&socket)));
            Ok(socket)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subsystem_is_the_upper_byte_of_the_type() {
        assert_eq!(kind(10, 6), 0x0a06);
    }
}
