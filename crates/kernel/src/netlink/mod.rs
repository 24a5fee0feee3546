//! Conversations with the kernel over netlink.
//!
//! A [`RtnlSocket`] sends what [`Message`] values hold and understands the replies. It keeps what is
//! easily lost on the way: the kernel's explanation of an error (extended acknowledgement), errors
//! at the end of a listing, listings torn by a change in between, and which message of a batch
//! failed.

mod attribute;
mod batch;
mod dump;
mod error;
mod frame;
mod message;
mod replay;
mod socket;

use netlink_packet_core::Emitable;
use netlink_sys::protocols::NETLINK_ROUTE;
use thiserror::Error;

pub use attribute::{Attribute, Attributes};
pub use batch::Batch;
pub use dump::{Malformed, Parsed};
pub use error::{InvalidRequest, NetlinkError};
pub use frame::{Frames, Refusal, Reply};
pub use message::Message;
pub use message::{CHANGE, append_request, flag, number_requests};
pub(crate) use replay::Replay;
pub use socket::{Socket, SocketFailure};

use crate::netns::{Netns, NetnsError};

/// A conversation about the links, addresses and routes of one network namespace: the one the
/// thread was in when it was opened, wherever the thread goes afterwards.
///
/// Replies are waited for at most ten seconds.
#[derive(Debug)]
pub struct RtnlSocket {
    socket: Socket,
}

/// Why a conversation with a given namespace could not be opened.
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
    /// Opens a conversation about the namespace the calling thread is in.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            socket: Socket::open(NETLINK_ROUTE)?,
        })
    }

    /// Opens a conversation about `netns`. The thread enters it only to open the socket.
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

    /// As [`RtnlSocket::execute`], with `false` when the object is not there (any more).
    pub(crate) fn execute_removal(&self, message: Message) -> Result<bool, NetlinkError> {
        match self.execute(message) {
            Ok(()) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Asks for one object; see [`Socket::query`].
    pub(crate) fn query<T>(
        &self,
        step: &dyn Fn() -> String,
        kind: u16,
        body: &impl Emitable,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<T, NetlinkError> {
        self.socket.query(step, kind, body, parse)
    }

    /// Asks for all objects `parse` keeps; see [`Socket::list`].
    pub(crate) fn list<T>(
        &self,
        step: &dyn Fn() -> String,
        kind: u16,
        body: &impl Emitable,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<Vec<T>, NetlinkError> {
        self.socket.list(step, kind, body, parse)
    }
}
