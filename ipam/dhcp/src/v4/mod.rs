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

/// The lease in a packet, whatever exchange and client it is for; all options are asked for.
pub(crate) fn any_grant(packet: &[u8]) -> Option<crate::lease::Lease> {
    // Behind the headers of IPv4 and UDP.
    let (_, message) = packet.split_at_checked(28)?;
    let xid = u32::from_be_bytes(message.get(4..8)?.try_into().ok()?);
    let mac = message.get(28..34)?.try_into().ok()?;
    let reply = reply::Reply::read(packet, xid, mac).ok()?;
    let client = crate::lease::ClientOptions {
        request: (1..=254).collect(),
        ..Default::default()
    };
    grant::lease(&reply, &client, std::time::Duration::ZERO).ok()
}
