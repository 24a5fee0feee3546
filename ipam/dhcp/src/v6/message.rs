//! The messages that the client sends.

use std::net::Ipv6Addr;

use dhcproto::v6::{DhcpOption, IAAddr, IANA, Message, MessageType, ORO, OptionCode};
use dhcproto::{Encodable as _, Encoder};

use super::identity::{Duid, Identity};

/// Codes of options that are used here (RFC 8415, RFC 3646).
pub(crate) mod option {
    /// Client identifier.
    pub(crate) const CLIENT_ID: u16 = 1;
    /// Server identifier.
    pub(crate) const SERVER_ID: u16 = 2;
    /// Association of addresses.
    pub(crate) const IA_NA: u16 = 3;
    /// Address of an association.
    pub(crate) const IA_ADDRESS: u16 = 5;
    /// Status.
    pub(crate) const STATUS: u16 = 13;
    /// Name servers.
    pub(crate) const NAME_SERVERS: u8 = 23;
    /// Domain search list.
    pub(crate) const SEARCH: u8 = 24;
}

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// SOLICIT, with the address that is wanted again.
    Solicit(Option<Ipv6Addr>),
    /// REQUEST for the address that a server advertised.
    Request(Ipv6Addr, &'a Duid),
    /// RENEW of an address with its server.
    Renew(Ipv6Addr, &'a Duid),
    /// REBIND of an address with any server.
    Rebind(Ipv6Addr),
    /// RELEASE of an address to its server.
    Release(Ipv6Addr, &'a Duid),
}

impl Kind<'_> {
    /// The message's name in RFC 8415.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Solicit(_) => "SOLICIT",
            Self::Request(..) => "REQUEST",
            Self::Renew(..) => "RENEW",
            Self::Rebind(_) => "REBIND",
            Self::Release(..) => "RELEASE",
        }
    }
}

/// A client on an interface.
#[derive(Clone, Debug)]
pub(super) struct Sender<'a> {
    /// By what servers know it.
    pub(super) identity: Identity,
    /// The options to ask for.
    pub(super) request: &'a [u8],
    /// The number of the exchange, of 24 bits.
    pub(super) xid: [u8; 3],
}

impl Sender<'_> {
    /// The message, that many hundredths of a second after the exchange began.
    pub(super) fn message(&self, kind: Kind<'_>, elapsed: u16) -> Vec<u8> {
        let (message_type, address, server) = match kind {
            Kind::Solicit(address) => (MessageType::Solicit, address, None),
            Kind::Request(address, server) => (MessageType::Request, Some(address), Some(server)),
            Kind::Renew(address, server) => (MessageType::Renew, Some(address), Some(server)),
            Kind::Rebind(address) => (MessageType::Rebind, Some(address), None),
            Kind::Release(address, server) => (MessageType::Release, Some(address), Some(server)),
        };
        let mut message = Message::new_with_id(message_type, self.xid);
        let options = message.opts_mut();
        options.insert(DhcpOption::ClientId(
            self.identity.duid.as_bytes().to_owned(),
        ));
        if let Some(server) = server {
            options.insert(DhcpOption::ServerId(server.as_bytes().to_owned()));
        }
        // Times of 0: the server decides.
        let address = address.map(|addr| {
            DhcpOption::IAAddr(IAAddr {
                addr,
                preferred_life: 0,
                valid_life: 0,
                opts: [].into_iter().collect(),
            })
        });
        options.insert(DhcpOption::IANA(IANA {
            id: self.identity.iaid,
            t1: 0,
            t2: 0,
            opts: address.into_iter().collect(),
        }));
        options.insert(DhcpOption::ElapsedTime(elapsed));
        if !matches!(kind, Kind::Release(..)) && !self.request.is_empty() {
            let opts = self
                .request
                .iter()
                .map(|code| OptionCode::from(u16::from(*code)));
            options.insert(DhcpOption::ORO(ORO {
                opts: opts.collect(),
            }));
        }
        let mut bytes = Vec::with_capacity(128);
        // Writing to memory does not fail, and no option is longer than its length can say.
        let _ = message.encode(&mut Encoder::new(&mut bytes));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::LeaseKey;

    #[test]
    fn a_request_is_that_of_rfc_8415() {
        let identity = Identity::of(&LeaseKey::default());
        let (client, iaid) = (identity.duid.clone(), identity.iaid.to_be_bytes());
        let server = Duid::new(&[0, 3, 9, 9]).unwrap();
        let sender = Sender {
            identity,
            request: &[23, 24],
            xid: [1, 2, 3],
        };
        let address: Ipv6Addr = "fd00::5".parse().unwrap();
        let message = sender.message(Kind::Request(address, &server), 7);
        let mut expected = vec![3, 1, 2, 3, 0, 1, 0, 18];
        expected.extend_from_slice(client.as_bytes());
        expected.extend([0, 2, 0, 4, 0, 3, 9, 9]);
        expected.extend([0, 3, 0, 40]);
        expected.extend(iaid);
        expected.extend([0; 8]);
        expected.extend([0, 5, 0, 24]);
        expected.extend(address.octets());
        expected.extend([0; 8]);
        expected.extend([0, 6, 0, 4, 0, 23, 0, 24]);
        expected.extend([0, 8, 0, 2, 0, 7]);
        assert_eq!(message, expected);
    }

    #[test]
    fn a_first_solicit_has_an_empty_association() {
        let sender = Sender {
            identity: Identity::of(&LeaseKey::default()),
            request: &[],
            xid: [0; 3],
        };
        let message = sender.message(Kind::Solicit(None), 0);
        // Type and number, client, association, time.
        assert_eq!(message.len(), 4 + 22 + 16 + 6);
        assert_eq!(message[0], 1);
    }
}
