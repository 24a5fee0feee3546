//! Reading what servers send.
//!
//! `dhcproto` 0.15 subtracts from the lengths of some options without a look at them, so options are
//! split here; names of domains are left to it.

use std::net::Ipv6Addr;

use dhcproto::Decodable as _;
use dhcproto::v6::DhcpOption;
use thiserror::Error;

use super::identity::{Duid, Identity};
use super::message::option;

const ADVERTISE: u8 = 2;
const REPLY: u8 = 7;
/// More addresses of an association than this are not looked at.
const MOST_ADDRESSES: usize = 16;

/// A server's answer that is for this client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// What it is.
    pub(super) kind: ReplyKind,
    /// The server.
    pub(super) server: Duid,
    /// What it says of the whole message.
    pub(super) status: Status,
    /// The association, if it says something of it.
    pub(super) association: Option<Association>,
    /// Content of the option with name servers.
    pub(super) name_servers: Vec<Ipv6Addr>,
    /// Domains to search.
    pub(super) search: Vec<String>,
}

/// The kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyKind {
    /// ADVERTISE.
    Advertise,
    /// REPLY.
    Reply,
}

/// An association as the server has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Association {
    /// Seconds until it is to be renewed; 0 leaves it to the client.
    pub(super) t1: u32,
    /// Seconds until it is to be renewed with any server; 0 leaves it to the client.
    pub(super) t2: u32,
    /// Its addresses, with the seconds each is valid.
    pub(super) addresses: Vec<(Ipv6Addr, u32)>,
    /// What the server says of it.
    pub(super) status: Status,
}

/// A status of a server; that without an option is 0, success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// Its number (RFC 8415, section 21.13).
    pub(super) code: u16,
    /// The server's words.
    pub(super) text: String,
}

/// Why a packet is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Ignored {
    /// Header or an option is cut off.
    #[error("not a whole DHCPv6 message")]
    NotDhcp,
    /// Neither ADVERTISE nor REPLY.
    #[error("not an answer of a server")]
    NotReply,
    /// Of another exchange.
    #[error("another transaction id")]
    OtherExchange,
    /// For another client.
    #[error("another client's identifier (option 1)")]
    OtherClient,
    /// Without the identifier of its server.
    #[error("no server identifier (option 2)")]
    NoServer,
}

impl Reply {
    /// Reads a datagram.
    pub(super) fn read(bytes: &[u8], xid: [u8; 3], client: &Identity) -> Result<Self, Ignored> {
        let Some((&[kind, a, b, c], rest)) = bytes.split_first_chunk() else {
            return Err(Ignored::NotDhcp);
        };
        let kind = match kind {
            ADVERTISE => ReplyKind::Advertise,
            REPLY => ReplyKind::Reply,
            _ => return Err(Ignored::NotReply),
        };
        if [a, b, c] != xid {
            return Err(Ignored::OtherExchange);
        }
        let options = split(rest).ok_or(Ignored::NotDhcp)?;
        let first = |code| first(&options, code);
        if first(option::CLIENT_ID) != Some(client.duid.as_bytes()) {
            return Err(Ignored::OtherClient);
        }
        let server = first(option::SERVER_ID).and_then(Duid::new);
        let associations = options.iter().filter(|(code, _)| *code == option::IA_NA);
        let mut associations =
            associations.filter_map(|(_, content)| association(content, client.iaid));
        Ok(Self {
            kind,
            server: server.ok_or(Ignored::NoServer)?,
            status: first(option::STATUS).map(status).unwrap_or_default(),
            association: associations.next(),
            name_servers: first(option::NAME_SERVERS.into())
                .map(addresses)
                .unwrap_or_default(),
            search: first(option::SEARCH.into()).map(names).unwrap_or_default(),
        })
    }
}

type Options<'a> = Vec<(u16, &'a [u8])>;

/// The options, code and content; `None` if the last one is cut off.
fn split(mut bytes: &[u8]) -> Option<Options<'_>> {
    let mut options = Vec::new();
    while !bytes.is_empty() {
        let (&[a, b, c, d], rest) = bytes.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([c, d]));
        let (content, rest) = rest.split_at_checked(length)?;
        options.push((u16::from_be_bytes([a, b]), content));
        bytes = rest;
    }
    Some(options)
}

fn first<'a>(options: &Options<'a>, code: u16) -> Option<&'a [u8]> {
    let mut options = options.iter();
    options
        .find(|(known, _)| *known == code)
        .map(|(_, content)| *content)
}

/// The association in an option; `None` for another one.
fn association(content: &[u8], iaid: u32) -> Option<Association> {
    let (number, rest) = word(content)?;
    let (t1, rest) = word(rest)?;
    let (t2, rest) = word(rest)?;
    if number != iaid {
        return None;
    }
    let options = split(rest)?;
    let addresses = options
        .iter()
        .filter(|(code, _)| *code == option::IA_ADDRESS);
    Some(Association {
        t1,
        t2,
        addresses: addresses
            .filter_map(|(_, content)| leased_address(content))
            .take(MOST_ADDRESSES)
            .collect(),
        status: first(&options, option::STATUS)
            .map(status)
            .unwrap_or_default(),
    })
}

/// An address and how long it is valid; `None` for one that the server refuses.
fn leased_address(content: &[u8]) -> Option<(Ipv6Addr, u32)> {
    let (address, rest) = content.split_first_chunk::<16>()?;
    let (_preferred, rest) = word(rest)?;
    let (valid, rest) = word(rest)?;
    let is_granted =
        first(&split(rest)?, option::STATUS).is_none_or(|content| status(content).code == 0);
    is_granted.then_some(((*address).into(), valid))
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*word), rest))
}

/// A status; one without a number is no success.
fn status(content: &[u8]) -> Status {
    let (code, text) = match content.split_first_chunk() {
        Some((code, text)) => (u16::from_be_bytes(*code), text),
        None => (u16::MAX, content),
    };
    let text = String::from_utf8_lossy(text);
    Status {
        code,
        text: text.chars().filter(|c| !c.is_control()).take(256).collect(),
    }
}

fn addresses(content: &[u8]) -> Vec<Ipv6Addr> {
    let (addresses, rest) = content.as_chunks::<16>();
    let is_whole = rest.is_empty();
    addresses
        .iter()
        .filter(|_| is_whole)
        .map(|address| (*address).into())
        .collect()
}

/// The domains of option 24.
fn names(content: &[u8]) -> Vec<String> {
    let length = u16::try_from(content.len()).unwrap_or_default();
    let code = u16::from(option::SEARCH).to_be_bytes();
    let option = [&code[..], &length.to_be_bytes(), content].concat();
    match DhcpOption::from_bytes(&option) {
        Ok(DhcpOption::DomainSearchList(names)) => names.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
