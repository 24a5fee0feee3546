//! DHCP servers, good and bad ones, the daemon under test, and messages on the wire.

#![expect(
    clippy::missing_panics_doc,
    reason = "test support: a panic is how a test fails"
)]

mod daemon;
mod dnsmasq;
mod isc;
mod kea;
pub mod message;
mod scripted;
mod segment;
mod server;

pub use daemon::{Daemon, SOCKET, answers, held_leases, listing};
pub use message::{Message, Reply};
pub use scripted::{SCRIPTED, ScriptedServer, Wire, good_answer};
pub use segment::{Segment, wait_until};
pub use server::{Pool, Server, ServerKind, ServerLease};

/// Bytes as servers write them in their files, without separators.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('?');
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}
