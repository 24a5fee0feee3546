use proptest::prelude::*;

use super::*;
use crate::lease::LeaseKey;

const XID: [u8; 3] = [1, 2, 3];

fn client() -> Identity {
    Identity::of(&LeaseKey::default())
}

fn option(code: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    [&code.to_be_bytes()[..], &length.to_be_bytes(), content].concat()
}

fn address_option(last: u8, valid: u32, more: &[u8]) -> Vec<u8> {
    let mut address = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    address[15] = last;
    option(
        option::IA_ADDRESS,
        &[
            &address[..],
            &valid.to_be_bytes(),
            &valid.to_be_bytes(),
            more,
        ]
        .concat(),
    )
}

fn association_option(iaid: u32, inner: &[u8]) -> Vec<u8> {
    let times = [5_u32, 8].map(u32::to_be_bytes).concat();
    option(
        option::IA_NA,
        &[&iaid.to_be_bytes()[..], &times, inner].concat(),
    )
}

/// A REPLY of server `09` with these options.
fn reply(options: &[Vec<u8>]) -> Vec<u8> {
    let client = option(option::CLIENT_ID, client().duid.as_bytes());
    let mut bytes = [
        &[REPLY],
        &XID[..],
        &client,
        &option(option::SERVER_ID, &[9]),
    ]
    .concat();
    bytes.extend(options.concat());
    bytes
}

fn read(bytes: &[u8]) -> Result<Reply, Ignored> {
    Reply::read(bytes, XID, &client())
}

#[test]
fn an_answer_is_read() {
    let inner = [address_option(5, 10, &[]), address_option(6, 20, &[])].concat();
    let bytes = reply(&[
        association_option(client().iaid ^ 1, &address_option(9, 10, &[])),
        association_option(client().iaid, &inner),
        option(23, &[&[0xfd; 16][..], &[0xfe; 16]].concat()),
        option(24, b"\x01a\x07example\x03org\0\x01b\0"),
        option(13, b"\0\0fine"),
    ]);
    let reply = read(&bytes).unwrap();
    assert_eq!(reply.kind, ReplyKind::Reply);
    assert_eq!(reply.server.as_bytes(), [9]);
    let association = reply.association.unwrap();
    assert_eq!((association.t1, association.t2), (5, 8));
    let address = |last: u16| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last);
    assert_eq!(association.addresses, [(address(5), 10), (address(6), 20)]);
    assert_eq!(reply.name_servers.len(), 2);
    assert_eq!(reply.search, ["a.example.org.", "b."]);
    assert_eq!((reply.status.code, reply.status.text.as_str()), (0, "fine"));
}

#[test]
fn other_packets_are_ignored() {
    let good = reply(&[]);
    assert!(read(&good).is_ok());
    let change = |place: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[place] = byte;
        read(&bytes).unwrap_err()
    };
    assert_eq!(change(0, 1), Ignored::NotReply);
    assert_eq!(change(1, 9), Ignored::OtherExchange);
    assert_eq!(change(9, 9), Ignored::OtherClient);
    assert_eq!(change(7, 200), Ignored::NotDhcp);
    for length in 0..good.len() {
        assert!(read(&good[..length]).is_err(), "{length} bytes");
    }
    let nobody = [
        &good[..4],
        &option(option::CLIENT_ID, client().duid.as_bytes()),
    ]
    .concat();
    assert_eq!(read(&nobody), Err(Ignored::NoServer));
}

#[test]
fn refusals_are_read() {
    let refused = association_option(client().iaid, &option(13, b"\0\x02none\x1b[31m"));
    let status = read(&reply(&[refused]))
        .unwrap()
        .association
        .unwrap()
        .status;
    assert_eq!((status.code, status.text.as_str()), (2, "none[31m"));
    // Of one address, and one without a number.
    for content in [&b"\0\x04"[..], b"\0", b""] {
        let refused = address_option(5, 10, &option(13, content));
        let association = read(&reply(&[association_option(client().iaid, &refused)]));
        assert_eq!(association.unwrap().association.unwrap().addresses, []);
    }
}

#[test]
fn torn_content_is_left_out() {
    let bytes = reply(&[
        association_option(client().iaid, &option(option::IA_ADDRESS, &[0; 20])),
        option(23, &[1; 17]),
        option(24, &[63]),
        option(option::IA_NA, &[0; 11]),
    ]);
    let reply = read(&bytes).unwrap();
    assert_eq!(reply.association.unwrap().addresses, []);
    assert!(reply.name_servers.is_empty() && reply.search.is_empty());
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        let _ = read(&bytes);
        let _ = read(&[&reply(&[])[..], &bytes].concat());
        let _ = names(&bytes);
    }
}
