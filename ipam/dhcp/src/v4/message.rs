//! The messages that the client sends.

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, Flags, Message, MessageType, OptionCode, UnknownOption};
use dhcproto::{Encodable, Encoder};

use super::code;
use crate::lease::{ClientOptions, LeaseKey};

/// The shortest message, as relays of old expect it (RFC 951).
const SHORTEST: usize = 300;
/// The largest message that the client takes (option 57).
const LARGEST: u16 = 1500;
/// The longest option, and the longest client identifier that the Go daemon sends without its type.
const LONGEST_NAME: usize = 254;

/// Codes of options that the protocol itself needs: a client's configuration does not set them.
pub(crate) const RESERVED: [u8; 7] = [
    0,
    code::REQUESTED_ADDRESS,
    code::OVERLOAD,
    code::MESSAGE_TYPE,
    code::SERVER,
    code::PARAMETERS,
    255,
];

/// A client on an interface.
#[derive(Clone, Debug)]
pub(super) struct Sender<'a> {
    /// Whose lease it is about.
    pub(super) key: &'a LeaseKey,
    /// What to ask for.
    pub(super) options: &'a ClientOptions,
    /// The interface's link-layer address.
    pub(super) mac: [u8; 6],
    /// The number of the exchange.
    pub(super) xid: u32,
    /// Whether servers are to answer by broadcast.
    pub(super) broadcast: bool,
}

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// DHCPDISCOVER, with the address that is wanted again.
    Discover(Option<Ipv4Addr>),
    /// DHCPREQUEST for the offer of a server.
    Request {
        /// The offered address.
        address: Ipv4Addr,
        /// The server.
        server: Ipv4Addr,
    },
    /// DHCPREQUEST to prolong the lease of an address.
    Prolong(Ipv4Addr),
    /// DHCPRELEASE.
    Release {
        /// The leased address.
        address: Ipv4Addr,
        /// The server.
        server: Ipv4Addr,
    },
}

impl Kind {
    /// The message's name in RFC 2131.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Discover(_) => "DHCPDISCOVER",
            Self::Request { .. } | Self::Prolong(_) => "DHCPREQUEST",
            Self::Release { .. } => "DHCPRELEASE",
        }
    }
}

impl Sender<'_> {
    /// The message, `seconds` after the exchange began.
    pub(super) fn message(&self, kind: Kind, seconds: u16) -> Vec<u8> {
        let any = Ipv4Addr::UNSPECIFIED;
        let (message_type, client) = match kind {
            Kind::Discover(_) => (MessageType::Discover, any),
            Kind::Request { .. } => (MessageType::Request, any),
            Kind::Prolong(address) => (MessageType::Request, address),
            Kind::Release { address, .. } => (MessageType::Release, address),
        };
        let mut message = Message::new_with_id(self.xid, client, any, any, any, &self.mac);
        message.set_secs(seconds);
        // Who has an address receives packets for it.
        if self.broadcast && client.is_unspecified() {
            message.set_flags(Flags::default().set_broadcast());
        }
        let options = message.opts_mut();
        let mut insert = |code, content: &[u8]| {
            let option = UnknownOption::new(OptionCode::from(code), content.to_vec());
            options.insert(DhcpOption::Unknown(option));
        };
        insert(code::CLIENT_ID, &client_id(self.key));
        if !matches!(kind, Kind::Release { .. }) {
            insert(code::MAX_SIZE, &LARGEST.to_be_bytes());
            insert(code::PARAMETERS, &self.options.request);
            for (code, content) in &self.options.provide {
                insert(*code, content);
            }
        } else if let Some((code, content)) = self
            .options
            .provide
            .iter()
            .find(|(code, _)| *code == code::CLIENT_ID)
        {
            insert(*code, content);
        }
        match kind {
            Kind::Discover(Some(address)) => insert(code::REQUESTED_ADDRESS, &address.octets()),
            Kind::Request { address, server } => {
                insert(code::REQUESTED_ADDRESS, &address.octets());
                insert(code::SERVER, &server.octets());
            }
            Kind::Release { server, .. } => insert(code::SERVER, &server.octets()),
            Kind::Discover(None) | Kind::Prolong(_) => {}
        }
        insert(code::MESSAGE_TYPE, &[message_type.into()]);
        let mut bytes = Vec::with_capacity(SHORTEST);
        // Writing to memory does not fail, and no option is longer than its length can say.
        let _ = message.encode(&mut Encoder::new(&mut bytes));
        bytes.resize(bytes.len().max(SHORTEST), 0);
        bytes
    }
}

/// The client identifier (option 61) that the Go daemon sends: servers keep addresses by it.
fn client_id(key: &LeaseKey) -> Vec<u8> {
    let name = key.to_string();
    let name = name.as_bytes();
    let name = name.get(..LONGEST_NAME).unwrap_or(name);
    [&[0], name].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The options of a message; fails where one is cut off or out of order.
    fn options(message: &[u8]) -> BTreeMap<u8, Vec<u8>> {
        assert_eq!(message[236..240], [99, 130, 83, 99]);
        let (mut rest, mut found, mut last) = (&message[240..], BTreeMap::new(), 0);
        while rest[0] != 255 {
            let length = usize::from(rest[1]);
            assert!(rest[0] > last, "{} behind {last}", rest[0]);
            last = rest[0];
            found.insert(rest[0], rest[2..2 + length].to_vec());
            rest = &rest[2 + length..];
        }
        found
    }

    fn message(kind: Kind, provide: &[(u8, &[u8])], broadcast: bool) -> Vec<u8> {
        let key = LeaseKey {
            network: "net".into(),
            container_id: "c1".into(),
            ifname: "eth0".into(),
            ..LeaseKey::default()
        };
        let provide = provide
            .iter()
            .map(|(code, content)| (*code, content.to_vec()));
        let options = ClientOptions {
            request: vec![121, 3, 1],
            provide: provide.collect(),
            ..ClientOptions::default()
        };
        let sender = Sender {
            key: &key,
            options: &options,
            mac: [2, 0, 0, 0, 0, 9],
            xid: 0x0102_0304,
            broadcast,
        };
        sender.message(kind, 7)
    }

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    #[test]
    fn headers_are_those_of_rfc_2131() {
        let discover = message(Kind::Discover(None), &[], true);
        assert_eq!(discover.len(), 300);
        assert_eq!(discover[..12], [1, 1, 6, 0, 1, 2, 3, 4, 0, 7, 0x80, 0]);
        assert_eq!(discover[12..28], [0; 16]);
        assert_eq!(discover[28..34], [2, 0, 0, 0, 0, 9]);
        // Who has an address needs no broadcast.
        let renew = message(Kind::Prolong(ADDRESS), &[], true);
        assert_eq!(renew[10..16], [0, 0, 10, 0, 0, 9]);
    }

    #[test]
    fn each_message_has_its_options() {
        let codes = |kind| {
            options(&message(kind, &[], false))
                .into_keys()
                .collect::<Vec<u8>>()
        };
        assert_eq!(codes(Kind::Discover(None)), [53, 55, 57, 61]);
        assert_eq!(codes(Kind::Discover(Some(ADDRESS))), [50, 53, 55, 57, 61]);
        let (address, server) = (ADDRESS, SERVER);
        assert_eq!(
            codes(Kind::Request { address, server }),
            [50, 53, 54, 55, 57, 61]
        );
        assert_eq!(codes(Kind::Prolong(ADDRESS)), [53, 55, 57, 61]);
        assert_eq!(codes(Kind::Release { address, server }), [53, 54, 61]);

        let request = options(&message(Kind::Request { address, server }, &[], false));
        assert_eq!(request[&50], ADDRESS.octets());
        assert_eq!(request[&53], [3]);
        assert_eq!(request[&54], SERVER.octets());
        assert_eq!(request[&55], [121, 3, 1]);
        assert_eq!(request[&57], 1500u16.to_be_bytes());
        assert_eq!(request[&61], b"\0c1/net/eth0");
    }

    #[test]
    fn a_client_identifier_is_sent_throughout() {
        let (address, server) = (ADDRESS, SERVER);
        let provide: [(u8, &[u8]); 2] = [(12, b"web"), (61, b"\x01abc")];
        let request = options(&message(Kind::Request { address, server }, &provide, false));
        assert_eq!(
            (&request[&12][..], &request[&61][..]),
            (&b"web"[..], &b"\x01abc"[..])
        );
        let release = options(&message(Kind::Release { address, server }, &provide, false));
        assert_eq!(release.into_keys().collect::<Vec<u8>>(), [53, 54, 61]);
        let release = options(&message(Kind::Release { address, server }, &provide, false));
        assert_eq!(release[&61], b"\x01abc");
    }

    #[test]
    fn a_long_identifier_is_cut() {
        let key = LeaseKey {
            container_id: "x".repeat(300),
            ..LeaseKey::default()
        };
        let id = client_id(&key);
        assert_eq!((id.len(), id[0], id[254]), (255, 0, b'x'));
    }
}
