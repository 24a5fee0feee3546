//! Conversations with the kernel's packet filter and connection tracking (`NETLINK_NETFILTER`).
//!
//! Both speak the same dialect: `struct nfgenmsg` in front of the attributes, numbers in network
//! order, and listings that a change made meanwhile tears. On a busy node that happens often,
//! which is why a listing is tried for longer here than elsewhere.

mod body;
mod parts;

use std::cell::RefCell;
use std::fs::metadata;
use std::os::unix::fs::MetadataExt as _;
use std::rc::Rc;
use std::thread::sleep;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_NETFILTER;

pub(crate) use body::Body;
pub(crate) use parts::Parts;

use ferrule_kernel::netlink::{NetlinkError, Parsed, Socket};
use ferrule_kernel::netns::current_path;

/// Length of `struct nfgenmsg` of `linux/netfilter/nfnetlink.h`.
const HEADER: usize = 4;

/// How often a torn listing is taken anew. Each of these is several attempts by the socket.
const ROUNDS: u32 = 40;

/// The pause after the first round; it grows by as much with every further one, so that a flood
/// of changes is outlasted: about 0.8 s in all.
const PAUSE: Duration = Duration::from_millis(1);

/// The type of a message: subsystem (`NFNL_SUBSYS_*`) and message of it.
pub(crate) const fn kind(subsystem: u8, message: u8) -> u16 {
    u16::from_be_bytes([subsystem, message])
}

thread_local! {
    /// The thread's socket, with the namespace it belongs to.
    static SOCKET: RefCell<Option<(NamespaceNumber, Rc<Socket>)>> = const { RefCell::new(None) };
}

/// Device and inode number of a namespace. The socket keeps its namespace alive, so the number
/// is not given to another one meanwhile.
type NamespaceNumber = (u64, u64);

/// The socket of the namespace the calling thread is in; one serves all conversations of a
/// thread, until it ends or asks for another namespace.
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

/// Lists what `parse` keeps, until no change interferes.
pub(crate) fn list<T>(
    socket: &Socket,
    step: &dyn Fn() -> String,
    kind: u16,
    body: &Body,
    parse: impl Fn(&[u8]) -> Parsed<T>,
) -> Result<Vec<T>, NetlinkError> {
    let mut round = 0;
    loop {
        round += 1;
        match socket.list(step, kind, body, &parse) {
            Err(NetlinkError::Interrupted { .. }) if round < ROUNDS => sleep(PAUSE * round),
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subsystem_is_the_upper_byte_of_the_type() {
        assert_eq!(kind(10, 6), 0x0a06);
    }
}
