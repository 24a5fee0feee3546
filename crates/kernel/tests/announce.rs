//! Announcements as the other end of the wire hears them.

use crate::lab;
use std::os::fd::{AsRawFd as _, OwnedFd};

use crate::lab::{another, pair, private};
use ferrule_kernel::{
    LinkChange, Netns, NewAddress, RtnlSocket, announce, ipv6_announcements, sysctl,
};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, recv, setsockopt, socket,
    sockopt::ReceiveTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// Gives a link addresses that are usable at once.
fn give(route: &RtnlSocket, index: u32, addresses: &[&str]) {
    for address in addresses {
        let address = NewAddress {
            index,
            address: address.parse().unwrap(),
            nodad: true,
        };
        route.execute(address.message()).unwrap();
    }
}

/// Has the link `veth0` announce addresses of both families.
fn enable_announcements(route: &RtnlSocket, index: u32) {
    let change = LinkChange::new(index).arp_notify();
    route.execute(change.message()).unwrap();
    assert_eq!(sysctl::read("net/ipv4/conf/veth0/arp_notify").unwrap(), "1");
    sysctl::write(&ipv6_announcements("veth0"), "1").unwrap();
}

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
    enable_announcements(&route, pair.here.index);
    give(&route, pair.here.index, &["10.1.2.3/24", "2001:db8::1/64"]);
    route.execute(announce(&pair.here).unwrap()).unwrap();
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
    let source = "2001:db8::1"
        .parse::<std::net::Ipv6Addr>()
        .unwrap()
        .octets();
    // The kernel also says something about its link-local address.
    while heard(&listener, &beginning)[22..38] != source {}
}

#[test]
fn neighbours_believe_what_they_hear() {
    let (route, netns) = (private(), another());
    let pair = pair(&route, &netns, "veth0", "eth0");
    // Without any address the peer does not take part in IPv4.
    give(&pair.remote, pair.there.index, &["10.1.2.9/24"]);
    enable_announcements(&route, pair.here.index);
    give(&route, pair.here.index, &["10.1.2.3/24", "2001:db8::1/64"]);
    let probe = |what: &str| netns.run(|| lab::ip(what)).unwrap();
    for address in ["10.1.2.3", "2001:db8::1"] {
        probe(&format!(
            "neigh replace {address} lladdr 02:00:00:00:00:99 dev eth0 nud stale"
        ));
        route.execute(announce(&pair.here).unwrap()).unwrap();
        let shown = probe(&format!("neigh show {address}"));
        assert!(
            shown.contains(&pair.here.mac.unwrap().to_string()),
            "{shown}"
        );
    }
}

#[test]
fn a_link_without_a_link_layer_address_has_nothing_to_announce() {
    let (route, netns) = (private(), another());
    let mut here = pair(&route, &netns, "veth0", "eth0").here;
    here.mac = None;
    assert!(announce(&here).is_none());
}
