//! Deletion of conntrack entries.

use crate::lab;
use crate::ruleset;
use std::fs;
use std::net::UdpSocket;

use crate::ruleset::{TABLE, commit, inet};
use ferrule_kernel::Family;
use ferrule_netfilter::conntrack::{Conntrack, FlowFilter};
use ferrule_netfilter::nft::{BaseChain, ChainKind, ChainLayout, DESTINATION_NAT, Hook, Transport};

/// A namespace with connection tracking, and a translation of port 5353 to port 9.
fn private() -> Conntrack {
    let nft = ruleset::private();
    lab::ip("link set lo up");
    let base = BaseChain::new(ChainKind::Nat, Hook::Output, DESTINATION_NAT);
    commit(&nft, |changes| {
        let chain = TABLE.chain("output");
        changes
            .add_table(TABLE, None)
            .add_chain(chain, &ChainLayout::base(base));
        for to in ["127.0.0.1:9", "[::1]:9"] {
            let rule = inet().destination_port(Transport::Udp, 5353);
            changes.append_rule(chain, &rule.destination_nat(to.parse().unwrap()));
        }
    });
    Conntrack::open().unwrap()
}

/// Sends from a new port, and returns the socket so that the port stays in use.
fn send(to: &str) -> UdpSocket {
    let from = if to.starts_with('[') {
        "[::1]:0"
    } else {
        "127.0.0.1:0"
    };
    let socket = UdpSocket::bind(from).unwrap();
    socket.send_to(b"x", to).unwrap();
    socket
}

/// The number of entries in the kernel's own list.
fn listed(port: u16) -> usize {
    let table = fs::read_to_string("/proc/thread-self/net/nf_conntrack").unwrap();
    // The port of the original direction comes first.
    let port = format!("dport={port}");
    table
        .lines()
        .filter(|line| line.split(' ').find(|word| word.starts_with("dport=")) == Some(&port))
        .count()
}

fn udp(port: u16) -> FlowFilter {
    FlowFilter::to_port(Family::V4, Transport::Udp, port)
}

#[test]
fn exactly_the_flows_of_a_port_are_deleted() {
    let conntrack = private();
    let _open = [
        send("127.0.0.1:5353"),
        send("127.0.0.1:5353"),
        send("127.0.0.1:5354"),
    ];
    assert_eq!((listed(5353), listed(5354)), (2, 1));
    let flows = conntrack.flows(&udp(5353)).unwrap();
    assert_eq!(flows.len(), 2);
    assert_eq!(flows[0].reply.source, "127.0.0.1:9".parse().unwrap());

    assert_eq!(conntrack.delete(&udp(5353), |_| true).unwrap(), 2);
    assert_eq!((listed(5353), listed(5354)), (0, 1));
    assert_eq!(conntrack.delete(&udp(5353), |_| true).unwrap(), 0);
}

#[test]
fn flows_are_selected_by_address_and_by_their_translated_destination() {
    let conntrack = private();
    let _open = [
        send("127.0.0.1:5353"),
        send("127.0.0.2:5353"),
        send("127.0.0.2:53"),
    ];
    let at = |address: [u8; 4]| udp(5353).at(address.into());
    assert_eq!(conntrack.flows(&at([127, 0, 0, 2])).unwrap().len(), 1);
    assert_eq!(conntrack.flows(&at([127, 0, 0, 3])).unwrap().len(), 0);
    let elsewhere = "127.0.0.1:10".parse().unwrap();
    assert_eq!(
        conntrack
            .delete(&udp(5353), |flow| flow.reply.source == elsewhere)
            .unwrap(),
        0
    );
    assert_eq!(conntrack.delete(&at([127, 0, 0, 2]), |_| true).unwrap(), 1);
    assert_eq!((listed(5353), listed(53)), (1, 1));
}

#[test]
fn ipv6_flows_and_other_protocols_are_separate() {
    let conntrack = private();
    let _open = [send("127.0.0.1:5354"), send("[::1]:5354")];
    let six = FlowFilter::to_port(Family::V6, Transport::Udp, 5354);
    let tcp = FlowFilter::to_port(Family::V4, Transport::Tcp, 5354);
    assert_eq!(conntrack.flows(&tcp).unwrap(), []);
    assert_eq!(
        conntrack
            .flows(&six.at("::1".parse().unwrap()))
            .unwrap()
            .len(),
        1
    );
    assert_eq!(conntrack.delete(&six, |_| true).unwrap(), 1);
    assert_eq!(conntrack.flows(&six).unwrap(), []);
    assert_eq!(conntrack.flows(&udp(5354)).unwrap().len(), 1);
}
