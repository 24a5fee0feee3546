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

/// The lease in a REPLY with these options behind that of the client; all options are asked for.
pub(crate) fn any_grant(options: &[u8]) -> Option<crate::lease::Lease> {
    let key = crate::lease::LeaseKey::default();
    let client = identity::Identity::of(&key);
    let duid = client.duid.as_bytes();
    let length = u16::try_from(duid.len()).ok()?.to_be_bytes();
    let header = [7, 0, 0, 0, 0, 1];
    let message = [&header[..], &length, duid, options].concat();
    let reply = reply::Reply::read(&message, [0; 3], &client).ok()?;
    let asked = crate::lease::ClientOptions {
        request: vec![option::NAME_SERVERS, option::SEARCH],
        ..Default::default()
    };
    let (server, now) = (std::net::Ipv6Addr::LOCALHOST, std::time::Duration::ZERO);
    grant::lease(&reply, server, &asked, None, now).ok()
}
