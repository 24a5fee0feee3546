//! Neighbour advertisements (RFC 4861 §4.4).

use std::net::Ipv6Addr;

/// `ff02::1`, all nodes of the link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The link-layer address `ff02::1` maps to (RFC 2464 §7).
pub(super) const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

const NEXT_HEADER_ICMPV6: u8 = 58;
/// Receivers ignore advertisements that a router might have forwarded.
const HOP_LIMIT: u8 = 255;
/// Type 136, code 0, room for the checksum.
const ADVERTISEMENT: [u8; 4] = [136, 0, 0, 0];
/// Neither from a router nor solicited, but overriding what caches hold; 29 bits reserved.
const OVERRIDE: [u8; 4] = [0x20, 0, 0, 0];
/// Option 2, target link-layer address, of one unit of eight bytes.
const TARGET_LINK_LAYER: [u8; 2] = [2, 1];

const IPV6_HEADER: usize = 40;
const ICMP: usize = 32;

/// An IPv6 packet from `address` to all nodes that says `address` is at `mac`.
pub(super) fn unsolicited(mac: [u8; 6], address: Ipv6Addr) -> [u8; IPV6_HEADER + ICMP] {
    let ip = address.octets();
    let mut icmp: [u8; ICMP] = joined(&[&ADVERTISEMENT, &OVERRIDE, &ip, &TARGET_LINK_LAYER, &mac]);
    let [high, low] = checksum(address, ALL_NODES, &icmp).to_be_bytes();
    let [_, _, first, second, ..] = &mut icmp;
    (*first, *second) = (high, low);
    // Version 6, no traffic class, no flow label; payload length; next header; hop limit.
    let header = [0x60, 0, 0, 0, 0, 32, NEXT_HEADER_ICMPV6, HOP_LIMIT];
    joined(&[&header, &ip, &ALL_NODES.octets(), &icmp])
}

fn joined<const LENGTH: usize>(parts: &[&[u8]]) -> [u8; LENGTH] {
    let mut whole = [0; LENGTH];
    for (target, byte) in whole.iter_mut().zip(parts.iter().copied().flatten()) {
        *target = *byte;
    }
    whole
}

/// The Internet checksum (RFC 1071) over the pseudo-header (RFC 8200 §8.1) and the message.
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8; ICMP]) -> u16 {
    let words = message.chunks(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    let pseudo_header = source.segments().into_iter().chain(destination.segments());
    let lengths = [32, u16::from(NEXT_HEADER_ICMPV6)];
    let sum: u32 = pseudo_header
        .chain(lengths)
        .chain(words)
        .map(u32::from)
        .sum();
    // 34 words sum to less than 2^22, so two foldings are enough.
    let once = (sum & 0xffff) + (sum >> 16);
    let twice = (once & 0xffff) + (once >> 16);
    !u16::try_from(twice).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packet_is_the_one_of_the_standard() {
        let address: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let packet = unsolicited([2, 0, 0, 0, 0, 1], address);
        assert_eq!(packet[..8], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!(packet[8..24], address.octets());
        assert_eq!(packet[24..40], ALL_NODES.octets());
        assert_eq!(packet[40..42], [136, 0]);
        assert_eq!(packet[44..48], [0x20, 0, 0, 0]);
        assert_eq!(packet[48..64], address.octets());
        assert_eq!(packet[64..], [2, 1, 2, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn the_checksum_makes_the_sum_of_all_words_vanish() {
        for text in [
            "2001:db8::1",
            "fe80::ff:fe00:1",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ] {
            let address: Ipv6Addr = text.parse().unwrap();
            let packet = unsolicited([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff], address);
            let icmp: [u8; ICMP] = packet[40..].try_into().unwrap();
            assert_eq!(checksum(address, ALL_NODES, &icmp), 0, "{text}");
        }
    }

    #[test]
    fn the_checksum_is_the_one_computed_by_hand() {
        // 2001:db8::1 twice, ff02::1, length 32, type 58, 0x8800, 0x2000, 0x0201, 02:00:00:00:00:01.
        let words: [u32; 14] = [
            0x2001, 0x0db8, 0x0001, 0xff02, 0x0001, 0x0020, 0x003a, 0x8800, 0x2000, 0x2001, 0x0db8,
            0x0001, 0x0201, 0x0201,
        ];
        let sum = words.iter().sum::<u32>();
        let folded = (sum & 0xffff) + (sum >> 16);
        let expected = !u16::try_from(folded).unwrap();
        let packet = unsolicited([2, 0, 0, 0, 0, 1], "2001:db8::1".parse().unwrap());
        assert_eq!(packet[42..44], expected.to_be_bytes());
    }
}
