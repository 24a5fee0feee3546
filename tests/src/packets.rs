//! Packets that tests send.

use std::fmt::Display;
use std::net::Ipv6Addr;

use ferrule_testkit::Namespace;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, sendto, setsockopt,
    socket, sockopt,
};

/// Whether the first echo request to an address is answered within a second.
pub fn answers_at_once(from: &Namespace, address: impl Display) -> bool {
    let address = address.to_string();
    let ping = ["ping", "-n", "-q", "-c", "1", "-W", "1", &address];
    from.exec(ping).status.success()
}

/// Sends a router advertisement of the prefix `fd00:bad::/64` (RFC 4861, section 4.2, and RFC 4862,
/// section 5.5.3) from a link of the namespace. Returns `false` if it cannot be sent, as while the
/// link has no address shortly after it has come up.
///
/// # Panics
/// If there is no such link or no raw socket.
pub fn sends_router_advertisement(from: &Namespace, link: &str) -> bool {
    let index = from.link(link)["ifindex"].as_u64().unwrap();
    let index = u32::try_from(index).unwrap();
    let mut message = vec![134, 0, 0, 0]; // the kernel fills in the checksum
    message.extend([64, 0]); // hop limit, flags
    message.extend(1800_u16.to_be_bytes()); // seconds it is a default router
    message.extend([0; 8]); // timers, unspecified
    message.extend([3, 4, 64, 0xc0]); // prefix information: on the link, for own addresses
    message.extend(3600_u32.to_be_bytes());
    message.extend(1800_u32.to_be_bytes());
    message.extend([0; 4]);
    message.extend("fd00:bad::".parse::<Ipv6Addr>().unwrap().octets());
    from.inside(|| {
        let socket = socket(
            AddressFamily::Inet6,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::IcmpV6,
        )
        .expect("open a raw socket as root");
        setsockopt(&socket, sockopt::Ipv6MulticastHops, &255).expect("set the hop limit");
        let everybody = SockaddrIn6::from(std::net::SocketAddrV6::new(
            "ff02::1".parse().unwrap(),
            0,
            0,
            index,
        ));
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        sendto(fd, &message, &everybody, MsgFlags::empty()).is_ok()
    })
}
