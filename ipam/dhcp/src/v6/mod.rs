//! DHCP for IPv6, stateful, for one address (`IA_NA` of RFC 8415): messages, exchanges, and what a server's
//! answer means.

mod exchange;
mod grant;
mod identity;
mod message;
mod port;
mod reply;

pub(crate) use exchange::{acquire, prolong, release};
pub(crate) use identity::Duid;
pub(crate) use message::option;
