//! ARP packets (RFC 826).

use std::net::Ipv4Addr;

/// The link-layer address of everybody on the link.
pub(super) const EVERYBODY: [u8; 6] = [0xff; 6];

/// Hardware type Ethernet, protocol type IPv4, address lengths 6 and 4, operation request.
const REQUEST: [u8; 8] = [0, 1, 0x08, 0, 6, 4, 0, 1];

/// An announcement as RFC 5227 §3 has it: a request for the sender's own address, its target
/// link-layer address left zero.
pub(super) fn announcement(mac: [u8; 6], address: Ipv4Addr) -> [u8; 28] {
    let ip = address.octets();
    let mut packet = [0; 28];
    let parts: [&[u8]; 5] = [&REQUEST, &mac, &ip, &[0; 6], &ip];
    for (target, byte) in packet.iter_mut().zip(parts.into_iter().flatten()) {
        *target = *byte;
    }
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_and_target_address_are_the_same() {
        let packet = announcement([2, 0, 0, 0, 0, 1], Ipv4Addr::new(10, 1, 2, 3));
        assert_eq!(
            packet,
            [
                0, 1, 8, 0, 6, 4, 0, 1, // request
                2, 0, 0, 0, 0, 1, 10, 1, 2, 3, // sender
                0, 0, 0, 0, 0, 0, 10, 1, 2, 3, // target
            ]
        );
    }
}
