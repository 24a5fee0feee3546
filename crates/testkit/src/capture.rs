//! Packet capture.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::net::if_::if_indextoname;
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
    sockopt,
};
use nix::sys::time::TimeVal;

use crate::namespace::Namespace;

/// Kernel's `PACKET_OUTGOING`: the frame was sent from here, `linux/if_packet.h`.
const OUTGOING: u8 = 4;
/// Receive timeout of the socket.
const PAUSE: TimeVal = TimeVal::new(0, 20_000);

/// A running capture of every frame on every link of a namespace, including links that are added
/// later. The socket queues the frames.
#[derive(Debug)]
pub struct Capture {
    namespace: Namespace,
    socket: OwnedFd,
}

/// A captured Ethernet frame, without a VLAN tag that the kernel has stripped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Name of the link; empty if the link has been removed.
    pub link: String,
    /// Whether it was sent from this namespace; otherwise it was received.
    pub outgoing: bool,
    /// The frame, from the destination address on.
    pub bytes: Vec<u8>,
}

/// An ARP message for IPv4 over Ethernet (RFC 826).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arp {
    /// 1 for a request, 2 for a reply.
    pub operation: u16,
    /// The sender's hardware address, as `02:00:00:00:00:01`.
    pub sender_mac: String,
    /// The sender's address. In an announcement it equals `target`.
    pub sender: Ipv4Addr,
    /// The target address.
    pub target: Ipv4Addr,
}

impl Namespace {
    /// Starts a capture in this namespace.
    pub fn capture(&self) -> Capture {
        let socket = self.inside(|| {
            let kind = (AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC);
            let socket = socket(kind.0, kind.1, kind.2, SockProtocol::EthAll);
            let socket = socket.expect("open a packet socket as root");
            setsockopt(&socket, sockopt::ReceiveTimeout, &PAUSE).expect("set a time limit");
            socket
        });
        Capture {
            namespace: self.clone(),
            socket,
        }
    }
}

impl Capture {
    /// The next frame that `accept` returns true for; frames before it are dropped. `None` after the
    /// time-out.
    pub fn wait_for(&self, timeout: Duration, accept: impl Fn(&Frame) -> bool) -> Option<Frame> {
        let deadline = Instant::now() + timeout;
        while Instant::now() < deadline {
            if let Some(frame) = self.next().filter(&accept) {
                return Some(frame);
            }
        }
        None
    }

    /// All frames so far, and those that arrive before the time-out.
    pub fn collect(&self, timeout: Duration) -> Vec<Frame> {
        let deadline = Instant::now() + timeout;
        let mut frames = Vec::new();
        while Instant::now() < deadline {
            frames.extend(self.next());
        }
        frames
    }

    fn next(&self) -> Option<Frame> {
        let mut buffer = vec![0; 1 << 16];
        let (length, from) = match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut buffer) {
            Err(Errno::EAGAIN | Errno::EINTR) => return None,
            received => received.expect("receive from a packet socket"),
        };
        buffer.truncate(length);
        let from = from.expect("a packet socket tells where a frame was seen");
        let index = u32::try_from(from.ifindex()).expect("link indices are small");
        let name = self.namespace.inside(|| if_indextoname(index));
        let link = name
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        Some(Frame {
            link,
            outgoing: from.pkttype() == OUTGOING,
            bytes: buffer,
        })
    }
}

impl Frame {
    /// The destination address, as `ff:ff:ff:ff:ff:ff`.
    pub fn destination(&self) -> String {
        mac(self.part(0))
    }

    /// The source address.
    pub fn source(&self) -> String {
        mac(self.part(6))
    }

    /// The ethertype: 0x0800 IPv4, 0x0806 ARP, 0x86dd IPv6.
    pub fn ethertype(&self) -> u16 {
        u16::from_be_bytes(self.part(12))
    }

    /// The ARP message in it, if any.
    pub fn arp(&self) -> Option<Arp> {
        (self.ethertype() == 0x0806 && self.bytes.len() >= 42).then(|| Arp {
            operation: u16::from_be_bytes(self.part(20)),
            sender_mac: mac(self.part(22)),
            sender: Ipv4Addr::from(self.part::<4>(28)),
            target: Ipv4Addr::from(self.part::<4>(38)),
        })
    }

    /// The target of the neighbour advertisement in it (RFC 4861, section 4.4), if any.
    pub fn advertised(&self) -> Option<Ipv6Addr> {
        let is_advertisement = self.ethertype() == 0x86dd
            && self.bytes.len() >= 78
            && self.part(20) == [58]
            && self.part(54) == [136];
        is_advertisement.then(|| Ipv6Addr::from(self.part::<16>(62)))
    }

    /// Bytes from an offset on, padded with zeros.
    fn part<const N: usize>(&self, offset: usize) -> [u8; N] {
        std::array::from_fn(|index| self.bytes.get(offset + index).copied().unwrap_or(0))
    }
}

fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}
