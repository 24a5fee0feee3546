//! Reading what servers send.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dhcproto::v4::{Opcode, borrowed};
use thiserror::Error;

use super::{code, packet};

/// A server's answer that is for this client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// What it is.
    pub(crate) kind: ReplyKind,
    /// The server.
    pub(crate) server: Ipv4Addr,
    /// The address for the client; unspecified in a refusal.
    pub(crate) address: Ipv4Addr,
    /// The options, those that come in several pieces joined.
    pub(crate) options: BTreeMap<u8, Vec<u8>>,
}

/// The kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyKind {
    /// DHCPOFFER.
    Offer,
    /// DHCPACK.
    Ack,
    /// DHCPNAK.
    Nak,
}

/// Why a packet is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Ignored {
    /// Headers, length or magic number are wrong.
    #[error("not a whole DHCP message")]
    NotDhcp,
    /// Not from a server.
    #[error("not a reply")]
    NotReply,
    /// Of another exchange.
    #[error("another transaction id")]
    OtherExchange,
    /// For another client.
    #[error("another client's hardware address")]
    OtherClient,
    /// Without a message type that servers answer with.
    #[error("no message type that a server answers with (option 53)")]
    NoKind,
    /// Without the identifier of its server.
    #[error("no server identifier (option 54)")]
    NoServer,
}

impl Reply {
    /// Reads an IPv4 packet as a packet socket receives it.
    pub(crate) fn read(bytes: &[u8], xid: u32, mac: [u8; 6]) -> Result<Self, Ignored> {
        let payload = packet::unwrap(bytes).ok_or(Ignored::NotDhcp)?;
        let message = borrowed::Message::new(payload).map_err(|_| Ignored::NotDhcp)?;
        if message.opcode() != Opcode::BootReply {
            return Err(Ignored::NotReply);
        }
        if message.xid() != xid {
            return Err(Ignored::OtherExchange);
        }
        // More than the field has room for is no length.
        if usize::from(message.hlen()) != mac.len() || message.chaddr() != mac {
            return Err(Ignored::OtherClient);
        }
        let mut options: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for option in message.opts() {
            let content = options.entry(option.code().into()).or_default();
            content.extend_from_slice(option.data());
        }
        let kind = match options.get(&code::MESSAGE_TYPE).map(Vec::as_slice) {
            Some([2]) => ReplyKind::Offer,
            Some([5]) => ReplyKind::Ack,
            Some([6]) => ReplyKind::Nak,
            _ => return Err(Ignored::NoKind),
        };
        let server = options.get(&code::SERVER).and_then(|bytes| address(bytes));
        Ok(Self {
            kind,
            server: server
                .filter(|server| is_host(*server))
                .ok_or(Ignored::NoServer)?,
            address: message.yiaddr(),
            options,
        })
    }

    /// The text that a refusal came with, for a log.
    pub(super) fn text(&self) -> String {
        let bytes = self.options.get(&code::MESSAGE);
        let text = bytes
            .map(|bytes| String::from_utf8_lossy(bytes))
            .unwrap_or_default();
        text.chars().filter(|c| !c.is_control()).collect()
    }
}

/// The address in an option of four bytes.
pub(super) fn address(bytes: &[u8]) -> Option<Ipv4Addr> {
    Some(<[u8; 4]>::try_from(bytes).ok()?.into())
}

/// Whether a host can have this address.
pub(super) fn is_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    // 240 and above: reserved, and the broadcast address.
    first != 0 && first < 240 && !address.is_loopback() && !address.is_multicast()
}
