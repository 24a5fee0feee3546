//! Netlink sockets, requests and replies.
//!
//! A [`RtnlSocket`] sends [`Message`] values and reads the replies. It keeps what other libraries
//! lose: the kernel's explanation of an error (extended acknowledgement), errors at the end of a
//! dump, dumps that a change interrupted, and which message of a batch failed.

mod attribute;
mod batch;
mod collect;
mod dump;
mod early;
mod error;
mod message;
mod orphan;
mod reply;
mod socket;

pub(crate) use attribute::u32_at;
pub use attribute::{Attribute, AttributeWriter, Attributes, NESTED};
pub use batch::Batch;
pub use error::{InvalidRequest, NetlinkError, RequestError};
pub use message::{Message, append_request, flag, number_requests};
use netlink_sys::protocols::NETLINK_ROUTE;
pub use reply::{KernelError, Malformed, Parsed, Reply};
pub use socket::{ReplySize, Socket};

/// A netlink socket for the links, addresses and routes of one network namespace: the one the
/// thread was in when it was opened, wherever the thread goes afterwards.
///
/// A reply may take at most ten seconds.
#[derive(Debug)]
pub struct RtnlSocket {
    pub(crate) socket: Socket,
}

impl RtnlSocket {
    /// Opens a socket of the namespace the calling thread is in.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: Socket::open(NETLINK_ROUTE)?,
        })
    }

    /// A new empty batch.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(&self.socket)
    }

    /// Sends one message and waits until the kernel has carried it out.
    pub fn execute(&self, message: Message) -> Result<(), NetlinkError> {
        let mut batch = self.batch();
        batch.add(message);
        batch.run()
    }

    /// As [`RtnlSocket::execute`]; `false` when the object does not exist (any more).
    pub(crate) fn delete(&self, message: Message) -> Result<bool, NetlinkError> {
        let outcome = NetlinkError::none_if_not_found(self.execute(message))?;
        Ok(outcome.is_some())
    }
}
