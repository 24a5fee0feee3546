//! Announcements as the other end of the wire hears them.

#![cfg(test)]

mod lab;

use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};

use ferrule_kernel::{AnnounceError, Netns, NewAddress, announce};
use lab::{another, link, mac, pair, private};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, recv, setsockopt, socket,
    sockopt::ReceiveTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// A socket that hears every packet in a namespace.
fn listener(netns: &Netns) -> OwnedFd {
    netns
        .run(|| {
            let (kind, protocol) = (SockType::Raw, SockProtocol::EthAll);
            let socket = socket(
                AddressFamily::Packet,
                kind,
                SockFlag::SOCK_CLOEXEC,
                protocol,
            )
            .unwrap();
            setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(5)).unwrap();
            socket
        })
        .unwrap()
}

/// Waits for a frame that begins with these bytes.
fn heard(socket: &OwnedFd, beginning: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 2048];
    loop {
        let length = recv(
            socket.as_raw_fd(),
            &mut buffer,
            nix::sys::socket::MsgFlags::empty(),
        )
        .expect("no such frame within five seconds");
        if buffer[..length].starts_with(beginning) {
            return buffer[..length].to_vec();
        }
    }
}

#[test]
fn the_peer_hears_both_families() {
    let (route, netns) = (private(), another());
    let pair = pair(&route, &netns, "veth0", "eth0");
    let listener = listener(&netns);
    let (v4, v6): (IpAddr, IpAddr) = ("10.1.2.3".parse().unwrap(), "2001:db8::1".parse().unwrap());
    announce(&pair.here, &[v4, v6]).unwrap();
    let sender = pair.here.mac.unwrap();

    let arp = heard(
        &listener,
        &[&[0xff; 6], sender.as_bytes(), &[0x08, 0x06]].concat(),
    );
    assert_eq!(arp[14..22], [0, 1, 8, 0, 6, 4, 0, 1]);
    assert_eq!(&arp[22..28], sender.as_bytes());
    assert_eq!(arp[28..32], [10, 1, 2, 3]);
    assert_eq!(arp[38..42], [10, 1, 2, 3]);

    let all_nodes = [0x33, 0x33, 0, 0, 0, 1];
    let beginning = [&all_nodes, sender.as_bytes(), &[0x86, 0xdd, 0x60]].concat();
    let advertisement = loop {
        let frame = heard(&listener, &beginning);
        // The kernel itself may say something about its link-local address.
        if frame[22..38]
            == "2001:db8::1"
                .parse::<std::net::Ipv6Addr>()
                .unwrap()
                .octets()
        {
            break frame;
        }
    };
    assert_eq!(
        (advertisement[20], advertisement[21], advertisement[54]),
        (58, 255, 136)
    );
    assert_eq!(advertisement.len(), 14 + 72);
}

#[test]
fn neighbours_believe_what_they_hear() {
    let (route, netns) = (private(), another());
    let pair = pair(&route, &netns, "veth0", "eth0");
    // Without any address the peer does not take part in IPv4.
    let address = "10.1.2.9/24".parse().unwrap();
    let index = pair.there.index;
    pair.remote
        .execute(
            NewAddress {
                index,
                address,
                nodad: false,
            }
            .message(),
        )
        .unwrap();
    let probe = |what: &str| netns.run(|| lab::ip(what)).unwrap();
    for (address, stale) in [
        ("10.1.2.3", "02:00:00:00:00:99"),
        ("2001:db8::1", "02:00:00:00:00:99"),
    ] {
        probe(&format!(
            "neigh add {address} lladdr {stale} dev eth0 nud stale"
        ));
        announce(&pair.here, &[address.parse().unwrap()]).unwrap();
        let shown = probe(&format!("neigh show {address}"));
        assert!(
            shown.contains(&pair.here.mac.unwrap().to_string()),
            "{shown}"
        );
    }
}

#[test]
fn links_that_cannot_announce_say_why() {
    let (route, netns) = (private(), another());
    pair(&route, &netns, "veth0", "eth0");
    let address = ["10.1.2.3".parse().unwrap()];
    let mut odd = link(&route, "veth0");
    odd.mac = None;
    let error = announce(&odd, &address).unwrap_err();
    assert!(matches!(error, AnnounceError::NotEthernet { .. }));
    odd.mac = Some(mac("02:00:00:00:00:01"));
    odd.index = 4000;
    let error = announce(&odd, &address).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot announce 10.1.2.3 on link \"veth0\": no such device"),
        "{error}"
    );
}
