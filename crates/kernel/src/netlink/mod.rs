//! Netlink sockets, requests and replies.
//!
//! A [`RtnlSocket`] sends [`Message`] values and reads the replies. It keeps what other libraries
//! lose: the kernel's explanation of an error (extended acknowledgement), errors at the end of a
//! dump, dumps that a change interrupted, and which message of a batch failed.

mod attribute;
mod batch;
mod collect;
mod dump;
mod error;
mod message;
mod reply;
mod socket;

use netlink_sys::protocols::NETLINK_ROUTE;
use thiserror::Error;

pub use attribute::{Attribute, AttributeWriter, Attributes, NESTED};
pub use batch::Batch;
pub use error::{InvalidRequest, NetlinkError};
pub use message::{Message, append_request, flag, number_requests};
pub use reply::{KernelError, Malformed, Parsed, Reply};
pub use socket::{ReplyError, ReplySize, Socket};

use crate::netns::{Netns, NetnsError};

/// A netlink socket for the links, addresses and routes of one network namespace: the one the
/// thread was in when it was opened, wherever the thread goes afterwards.
///
/// A reply may take at most ten seconds.
#[derive(Debug)]
pub struct RtnlSocket {
    pub(crate) socket: Socket,
}

/// Why a socket of a given namespace could not be opened.
#[derive(Debug, Error)]
pub enum RtnlOpenError {
    /// The namespace could not be entered or left.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// The socket could not be opened inside.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
}

impl RtnlSocket {
    /// Opens a socket of the namespace the calling thread is in.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: Socket::open(NETLINK_ROUTE)?,
        })
    }

    /// Opens a socket of `netns`. The thread enters it only to open the socket.
    pub fn open_in(netns: &Netns) -> Result<Self, RtnlOpenError> {
        Ok(netns.run(Self::open)??)
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
