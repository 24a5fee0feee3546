//! Packet sockets for IPv4 over UDP (packet(7)): they send and receive on a link that has no address
//! yet.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc::{BPF_ABS, BPF_B, BPF_H, BPF_IND, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD};
use nix::libc::{BPF_LDX, BPF_MSH, BPF_RET, BPF_W, IPPROTO_UDP};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, socket};

use crate::syscall::{FilterStep, packet_bind, packet_filter, packet_send, unsent_bytes};

/// Where a UDP header follows its IPv4 header: the destination port.
const UDP_DESTINATION: u32 = 2;

/// A non-blocking packet socket of one link: the kernel adds and removes the link-layer header.
///
/// It receives the IPv4 packets for one UDP port whose payload has a given number at a given place,
/// and no fragments. The kernel drops all others (classic BPF), so they do not wake the process.
/// Checksums are not verified: a veth passes packets on whose checksum has not been computed yet.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
    index: u32,
}

/// Which packets a [`PacketSocket`] receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpFilter {
    /// The UDP port that they are sent to.
    pub port: u16,
    /// Where in the UDP payload the number is, in bytes.
    pub offset: u32,
    /// The number, in network byte order.
    pub number: u32,
}

impl PacketSocket {
    /// Opens a socket on the link of this index in the calling thread's namespace.
    pub fn open(index: u32, filter: UdpFilter) -> io::Result<Self> {
        // Protocol 0: nothing is received before the filter is in place.
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Datagram, flags, None)?;
        packet_filter(socket.as_fd(), &filter.program())?;
        packet_bind(socket.as_fd(), index)?;
        Ok(Self { socket, index })
    }

    /// Sends an IPv4 packet to everybody on the link.
    pub fn broadcast(&self, packet: &[u8]) -> io::Result<()> {
        Ok(packet_send(self.socket.as_fd(), self.index, packet)?)
    }

    /// Receives an IPv4 packet; `WouldBlock` if there is none. What does not fit is cut off.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match recv(self.socket.as_raw_fd(), buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                outcome => return Ok(outcome?),
            }
        }
    }
}

/// Whether packets that a socket has sent still wait on this host, for the link-layer address of their
/// receiver for example. They are lost if the link goes away.
pub fn has_unsent(socket: impl AsFd) -> io::Result<bool> {
    Ok(unsent_bytes(socket.as_fd())? > 0)
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for PacketSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl UdpFilter {
    /// The program that the kernel runs over each packet, from its IPv4 header on.
    fn program(self) -> [FilterStep; 11] {
        const PROTOCOL: u32 = 9;
        const FRAGMENT: u32 = 6;
        /// "More fragments", and the offset.
        const FRAGMENT_BITS: u32 = 0x3fff;
        const PAYLOAD: u32 = 8;
        let load = |size, mode, at| FilterStep::plain(BPF_LD | size | mode, at);
        // The last step but one accepts, the last one drops.
        let or_drop =
            |kind, value, from_end| FilterStep::jump(BPF_JMP | kind | BPF_K, value, (0, from_end));
        [
            load(BPF_B, BPF_ABS, PROTOCOL),
            or_drop(BPF_JEQ, IPPROTO_UDP as u32, 8),
            load(BPF_H, BPF_ABS, FRAGMENT),
            FilterStep::jump(BPF_JMP | BPF_JSET | BPF_K, FRAGMENT_BITS, (6, 0)),
            // X: the length of the IPv4 header.
            FilterStep::plain(BPF_LDX | BPF_MSH | BPF_B, 0),
            load(BPF_H, BPF_IND, UDP_DESTINATION),
            or_drop(BPF_JEQ, self.port.into(), 3),
            load(BPF_W, BPF_IND, PAYLOAD.saturating_add(self.offset)),
            or_drop(BPF_JEQ, self.number, 1),
            FilterStep::plain(BPF_RET | BPF_K, u32::MAX),
            FilterStep::plain(BPF_RET | BPF_K, 0),
        ]
    }
}
