//! DHCP for IPv4: messages, exchanges, and what a server's answer means.

pub(crate) mod code;
mod exchange;
mod grant;
mod message;
mod packet;
mod port;
mod reply;

pub(crate) use exchange::{acquire, prolong, release};
pub(crate) use message::RESERVED;
