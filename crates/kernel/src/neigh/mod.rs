//! Telling the neighbours about addresses.
//!
//! Who reuses an address within the lifetime of other hosts' caches is unreachable until these
//! learn the new link-layer address. Announcing it once costs one packet per address and nobody
//! has to wait for it.

mod advertisement;
mod arp;

use std::io;
use std::net::IpAddr;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, sendto, socket};
use thiserror::Error;

use crate::link::Link;
use crate::os_error::io_text;
use crate::syscall::{EtherType, link_address};

/// Why an address could not be announced.
#[derive(Debug, Error)]
pub enum AnnounceError {
    /// Only links with Ethernet addresses have neighbours of this kind.
    #[error("cannot announce addresses of link {link:?}: it has no Ethernet address")]
    NotEthernet {
        /// Name of the link.
        link: String,
    },
    /// The kernel gave no packet socket.
    #[error("cannot announce addresses of link {link:?}: {}", io_text(.source))]
    Open {
        /// Name of the link.
        link: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A packet could not be sent; the addresses before this one have been announced.
    #[error("cannot announce {address} on link {link:?}: {}", io_text(.source))]
    Send {
        /// Name of the link.
        link: String,
        /// The address.
        address: IpAddr,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// Announces addresses a link has, in the namespace the calling thread is in: IPv4 by an ARP
/// announcement (RFC 5227 §3), IPv6 by an unsolicited neighbour advertisement (RFC 4861 §7.2.6).
///
/// The link must be up and its addresses past duplicate detection, else others hear of an address
/// that may not become usable.
pub fn announce(link: &Link, addresses: &[IpAddr]) -> Result<(), AnnounceError> {
    let name = || link.name.clone();
    let Some(mac) = link.mac.and_then(|mac| mac.ethernet()) else {
        return Err(AnnounceError::NotEthernet { link: name() });
    };
    let opened = |errno: Errno| AnnounceError::Open {
        link: name(),
        source: errno.into(),
    };
    // Of no protocol: the socket only sends and never hears anything.
    let socket = socket(
        AddressFamily::Packet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(opened)?;
    for address in addresses {
        let (ether_type, receiver, packet) = match address {
            IpAddr::V4(ip) => (
                EtherType::Arp,
                arp::EVERYBODY,
                arp::announcement(mac, *ip).to_vec(),
            ),
            IpAddr::V6(ip) => (
                EtherType::Ipv6,
                advertisement::ALL_NODES_MAC,
                advertisement::unsolicited(mac, *ip).to_vec(),
            ),
        };
        send(&socket, link.index, ether_type, receiver, &packet).map_err(|errno| {
            AnnounceError::Send {
                link: name(),
                address: *address,
                source: errno.into(),
            }
        })?;
    }
    Ok(())
}

fn send(
    socket: &impl std::os::fd::AsRawFd,
    index: u32,
    ether_type: EtherType,
    receiver: [u8; 6],
    packet: &[u8],
) -> Result<(), Errno> {
    let target = link_address(index, ether_type, receiver)?;
    loop {
        match sendto(socket.as_raw_fd(), packet, &target, MsgFlags::empty()) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
