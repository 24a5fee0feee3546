//! IPv4 and UDP headers around a DHCP message, for packet sockets.

use std::net::Ipv4Addr;

/// The port that servers receive on.
pub(crate) const SERVER_PORT: u16 = 67;
/// The port that clients receive on.
pub(crate) const CLIENT_PORT: u16 = 68;

/// Length of an IPv4 header without options.
const IP_HEADER: usize = 20;
/// Length of a UDP header.
const UDP_HEADER: usize = 8;
const UDP: u8 = 17;
const TTL: u8 = 64;
/// "More fragments", and the upper bits of the offset.
const MORE_FRAGMENTS: u8 = 0x3f;

/// The packet that carries `payload` from a client to a server.
pub(super) fn wrap(source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).unwrap_or(u16::MAX);
    let udp_length = length(UDP_HEADER + payload.len());
    let total = length(IP_HEADER + UDP_HEADER + payload.len());
    let mut header = [0_u16; IP_HEADER / 2];
    let words = [
        0x4500,
        total,
        0,
        // Do not fragment.
        0x4000,
        u16::from_be_bytes([TTL, UDP]),
        0,
    ];
    let addresses = [source.octets(), destination.octets()];
    let addresses = addresses.as_flattened().chunks_exact(2);
    let addresses = addresses.map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    for (place, word) in header.iter_mut().zip(words.into_iter().chain(addresses)) {
        *place = word;
    }
    // The header's checksum is over the header; that of UDP may be left out (RFC 768).
    if let Some(checksum) = header.get(..).map(checksum) {
        header[5] = checksum;
    }
    let udp = [CLIENT_PORT, SERVER_PORT, udp_length, 0];
    let mut packet: Vec<u8> = header
        .iter()
        .chain(&udp)
        .copied()
        .flat_map(u16::to_be_bytes)
        .collect();
    packet.extend_from_slice(payload);
    packet
}

/// The ones' complement of the ones' complement sum (RFC 1071).
fn checksum(words: &[u16]) -> u16 {
    let mut sum: u32 = words.iter().copied().map(u32::from).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// The payload of a packet for the client's port; `None` for anything else.
pub(super) fn unwrap(packet: &[u8]) -> Option<&[u8]> {
    let header: &[u8; IP_HEADER] = packet.first_chunk()?;
    let [first, _, high, low, _, _, flags, offset, _, protocol, ..] = *header;
    let header_length = usize::from(first & 0xf) * 4;
    let total = usize::from(u16::from_be_bytes([high, low]));
    // All but the bits that are reserved, and "do not fragment".
    let is_whole = u16::from_be_bytes([flags & MORE_FRAGMENTS, offset]) == 0;
    if first >> 4 != 4 || header_length < IP_HEADER || protocol != UDP || !is_whole {
        return None;
    }
    // Short packets are padded on Ethernet.
    let datagram = packet.get(header_length..total)?;
    let udp: &[u8; UDP_HEADER] = datagram.first_chunk()?;
    let [_, _, to_high, to_low, high, low, ..] = *udp;
    if u16::from_be_bytes([to_high, to_low]) != CLIENT_PORT {
        return None;
    }
    datagram.get(UDP_HEADER..usize::from(u16::from_be_bytes([high, low])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A packet as a server sends it.
    fn from_server(payload: &[u8]) -> Vec<u8> {
        let mut packet = wrap([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), payload);
        packet[20..24].copy_from_slice(&[0, 67, 0, 68]);
        packet
    }

    #[test]
    fn headers_are_those_of_rfc_791_and_768() {
        let packet = wrap(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, &[1, 2, 3]);
        let expected = [
            0x45, 0, 0, 31, 0, 0, 0x40, 0, 64, 17, 0x3a, 0xcf, 0, 0, 0, 0, 255, 255, 255, 255, 0,
            68, 0, 67, 0, 11, 0, 0, 1, 2, 3,
        ];
        assert_eq!(packet, expected);
    }

    #[test]
    fn padding_is_cut_off() {
        let mut packet = from_server(b"abc");
        packet.extend([0; 20]);
        assert_eq!(unwrap(&packet), Some(&b"abc"[..]));
    }

    #[test]
    fn other_packets_are_none() {
        let good = from_server(b"abc");
        assert!(unwrap(&good).is_some());
        for (place, byte) in [
            (0, 0x65),
            (0, 0x44),
            (6, 0x20),
            (7, 1),
            (9, 6),
            (23, 69),
            (3, 21),
            (25, 200),
            (25, 7),
        ] {
            let mut packet = good.clone();
            packet[place] = byte;
            assert_eq!(unwrap(&packet), None, "byte {place} is {byte}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = unwrap(&bytes);
        }

        #[test]
        fn payloads_come_back(payload in prop::collection::vec(any::<u8>(), 0..1400)) {
            let packet = from_server(&payload);
            prop_assert_eq!(unwrap(&packet), Some(&payload[..]));
        }
    }
}
