//! What has no safe wrapper elsewhere: the only unsafe code of the crate.

#![expect(unsafe_code, reason = "the fenced-off place for it")]

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{LinkAddr, SockaddrLike as _};

/// What kind of packet follows the link-layer header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EtherType {
    /// `ETH_P_ARP`.
    Arp,
    /// `ETH_P_IPV6`.
    Ipv6,
}

/// The address of a station on the link of this index, for packet sockets (packet(7)).
///
/// `EINVAL` when the index cannot be one.
pub(crate) fn link_address(
    index: u32,
    ether_type: EtherType,
    station: [u8; 6],
) -> Result<LinkAddr, Errno> {
    let number: u16 = match ether_type {
        EtherType::Arp => 0x0806,
        EtherType::Ipv6 => 0x86dd,
    };
    let mut padded = [0; 8];
    for (target, byte) in padded.iter_mut().zip(station) {
        *target = byte;
    }
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).map_err(|_| Errno::EINVAL)?,
        sll_protocol: number.to_be(),
        sll_ifindex: i32::try_from(index).map_err(|_| Errno::EINVAL)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: padded,
    };
    let length = u32::try_from(size_of_val(&address)).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `address` is a whole, initialised sockaddr_ll, readable for `length` bytes for the
    // time of the call, and from_raw copies it out after checking family and length.
    let wrapped = unsafe { LinkAddr::from_raw((&raw const address).cast(), Some(length)) };
    wrapped.ok_or(Errno::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_holds_what_was_given() {
        let address = link_address(7, EtherType::Arp, [1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(address.ifindex(), 7);
        assert_eq!(address.addr(), Some([1, 2, 3, 4, 5, 6]));
        assert_eq!(address.halen(), 6);
        assert_eq!(address.protocol(), 0x0806u16.to_be());
    }

    #[test]
    fn impossible_indices_are_refused() {
        assert_eq!(
            link_address(u32::MAX, EtherType::Ipv6, [0; 6]),
            Err(Errno::EINVAL)
        );
    }
}
