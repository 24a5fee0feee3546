//! SCTP, judged by the first packet of an association: few kernels have SCTP sockets, but all can
//! translate it.

use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use ferrule_testkit::{Frame, Namespace};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, sendto, socket,
};

use crate::portmap::FORMS;
use crate::portmap::node::{HOST, Node, OUTSIDE, at, mapping};

const SCTP: u8 = 132;
/// The lengths of IPv4 and IPv6 headers, and where they have protocol and addresses.
const HEADERS: [(usize, usize, usize, usize); 2] = [(20, 9, 12, 16), (40, 6, 8, 24)];

/// An INIT chunk behind a common header (RFC 9260, sections 3.1 and 3.3.2).
fn init(source_port: u16, port: u16) -> Vec<u8> {
    let mut packet = [source_port.to_be_bytes(), port.to_be_bytes()].concat();
    packet.extend([0; 8]); // verification tag, checksum
    packet.extend([1, 0, 0, 20]); // INIT, no flags, length
    packet.extend(7_u32.to_be_bytes()); // initiate tag
    packet.extend(65_535_u32.to_be_bytes()); // window
    packet.extend([0, 1, 0, 1]); // streams
    packet.extend(1_u32.to_be_bytes()); // first transmission number
    let sum = crc32c(&packet).to_le_bytes();
    packet[8..12].copy_from_slice(&sum);
    packet
}

/// The checksum of RFC 9260, appendix A.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

fn send(from: &Namespace, to: SocketAddr, packet: &[u8]) {
    let family = if to.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    from.inside(|| {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(family, SockType::Raw, flags, SockProtocol::Sctp).unwrap();
        let to = SockaddrStorage::from(SocketAddr::new(to.ip(), 0));
        sendto(socket.as_raw_fd(), packet, &to, MsgFlags::empty()).unwrap();
    });
}

/// Whether a frame brings such a packet from one address to a port of another one.
fn is_it(frame: &Frame, from: &str, to: SocketAddr) -> bool {
    let (length, protocol, source, destination) = HEADERS[usize::from(to.is_ipv6())];
    let address = |text: &str| match at(text, 0).ip() {
        std::net::IpAddr::V4(address) => address.octets().to_vec(),
        std::net::IpAddr::V6(address) => address.octets().to_vec(),
    };
    let (from, target) = (address(from), address(&to.ip().to_string()));
    let Some(packet) = frame.bytes.get(14..14 + length + 12) else {
        return false;
    };
    let packet_ok = packet[protocol] == SCTP
        && packet[source..].starts_with(&from)
        && packet[destination..].starts_with(&target)
        && packet[length + 2..].starts_with(&to.port().to_be_bytes());
    // The translation has kept the checksum right.
    let mut sctp = frame.bytes[14 + length..].to_vec();
    sctp.truncate(32);
    packet_ok && {
        let sum = [sctp[8], sctp[9], sctp[10], sctp[11]];
        sctp[8..12].fill(0);
        crc32c(&sctp).to_le_bytes() == sum
    }
}

ferrule_testkit::test! {
    /// An association begins at the container's port, its source kept, and no other port's does.
    fn associations_reach_the_container(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod = node.publish("pod", &[mapping("SCTP", 3868, 3869), mapping("tcp", 3870, 3869)]);
        for (family, from) in OUTSIDE.iter().enumerate() {
            let to = at(pod.address(family), 3869);
            let arrives = |port| {
                let capture = pod.namespace().capture();
                send(&node.outside, at(HOST[family], port), &init(5000 + port, port));
                capture.wait_for(Duration::from_secs(1), |frame| is_it(frame, from, to)).is_some()
            };
            assert!(arrives(3868), "{}", node.rules());
            assert!(!arrives(3870));
        }
        pod.portmap.check().succeeds();
        pod.portmap.del().succeeds();
    }
}
