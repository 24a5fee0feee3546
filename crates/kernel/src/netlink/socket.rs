//! The socket: whole datagrams from the kernel, and from nobody else.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use netlink_sys::SocketAddr;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt, sockopt::ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::error::{NetlinkError, RequestError};

/// How long a reply may take. Changes are carried out during `send`, so that only a kernel in
/// serious trouble needs this.
pub(super) const TIMEOUT_SECONDS: i64 = 10;

/// The kernel's address; processes have others.
const KERNEL_PORT: u32 = 0;

/// The usual size of a dump's datagrams, and far beyond that of any other reply.
const USUAL_DATAGRAM: usize = 32 * 1024;

/// The size of the datagrams in which replies come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplySize {
    /// One object, or an acknowledgement.
    Object,
    /// A part of a dump, which has no limit.
    Dump,
}

/// A netlink socket of one protocol, bound to the network namespace it was opened in.
#[derive(Debug)]
pub struct Socket {
    inner: netlink_sys::Socket,
    sequence: Cell<u32>,
    buffer: RefCell<Vec<u8>>,
    /// Whether a child process keeps it open.
    pub(super) is_kept: Cell<bool>,
}

impl Socket {
    /// Opens a socket for a protocol (`NETLINK_*`).
    pub fn open(protocol: isize) -> Result<Self, NetlinkError> {
        Self::prepare(protocol).map_err(|source| {
            RequestError::Socket {
                action: "open netlink socket",
                source,
            }
            .during("talk to the kernel")
        })
    }

    fn prepare(protocol: isize) -> io::Result<Self> {
        let inner = netlink_sys::Socket::new(protocol)?;
        // Connecting to port 0, the kernel, also gives the socket a port of its own.
        inner.connect(&SocketAddr::new(KERNEL_PORT, 0))?;
        // The kernel's sentences in errors, errors without a copy of the request, and dumps filtered
        // by the kernel. Old kernels lack some; nothing here relies on them to be correct.
        tolerate_absence(inner.set_ext_ack(true))?;
        tolerate_absence(inner.set_cap_ack(true))?;
        tolerate_absence(inner.set_netlink_get_strict_chk(true))?;
        setsockopt(&inner, ReceiveTimeout, &TimeVal::seconds(TIMEOUT_SECONDS))?;
        Ok(Self {
            inner,
            sequence: Cell::new(0),
            buffer: RefCell::new(Vec::new()),
            is_kept: Cell::new(false),
        })
    }

    /// Makes room for sending `bytes` at once. The usual limit (`wmem_max`) is exceeded with
    /// privilege; without, the kernel grants what it allows and `send` reports the rest.
    pub fn make_room(&self, bytes: usize) -> Result<(), RequestError> {
        setsockopt(&self.inner, sockopt::SndBufForce, &bytes)
            .or_else(|_| setsockopt(&self.inner, sockopt::SndBuf, &bytes))
            .map_err(|errno| RequestError::Socket {
                action: "enlarge send buffer",
                source: errno.into(),
            })
    }

    /// The sequence number of the next request.
    pub fn next_sequence(&self) -> u32 {
        let next = self.sequence.get().wrapping_add(1);
        self.sequence.set(next);
        next
    }

    /// Hands `requests` to the kernel in one system call.
    pub fn send(&self, requests: &[u8]) -> Result<(), RequestError> {
        let sent = retried(|| self.inner.send(requests, 0));
        sent.map(drop).map_err(|source| RequestError::Socket {
            action: "send request",
            source,
        })
    }

    /// Has the kernel send this socket what it tells everybody of a group (`RTNLGRP_*`), besides
    /// replies.
    pub(crate) fn join(&self, group: u32) -> io::Result<()> {
        self.inner.add_membership(group)
    }

    /// Ends [`Socket::join`] and drops what has been told: its sequence numbers are other processes'.
    pub(crate) fn leave(&self, group: u32) -> io::Result<()> {
        self.inner.drop_membership(group)?;
        let mut nothing: &mut [u8] = &mut [];
        loop {
            match self.inner.recv_from(&mut nothing, libc::MSG_DONTWAIT) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.raw_os_error() != Some(Errno::ENOBUFS as i32) => {
                    return Err(error);
                }
                _ => {}
            }
        }
    }

    /// The open socket.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }

    /// Waits for the kernel's next datagram and lets `inspect` look at it.
    pub(super) fn receive<T>(
        &self,
        size: ReplySize,
        inspect: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, RequestError> {
        let mut buffer = self.buffer.borrow_mut();
        loop {
            match self.receive_from(size, &mut buffer) {
                Ok(KERNEL_PORT) => return Ok(inspect(&buffer)),
                // Any process may send to this socket's port.
                Ok(_) => {}
                Err(source) if source.kind() == io::ErrorKind::WouldBlock => {
                    return Err(RequestError::TimedOut);
                }
                Err(source) => {
                    return Err(RequestError::Socket {
                        action: "receive reply",
                        source,
                    });
                }
            }
        }
    }

    /// Receives one datagram and returns the sender's port.
    fn receive_from(&self, size: ReplySize, buffer: &mut Vec<u8>) -> io::Result<u32> {
        let room = match size {
            ReplySize::Object => USUAL_DATAGRAM,
            ReplySize::Dump => {
                let mut nothing: &mut [u8] = &mut [];
                let flags = libc::MSG_PEEK | libc::MSG_TRUNC;
                let (length, _) = retried(|| self.inner.recv_from(&mut nothing, flags))?;
                length.max(USUAL_DATAGRAM)
            }
        };
        buffer.clear();
        buffer.reserve(room);
        let room = buffer.capacity();
        let (length, sender) = retried(|| self.inner.recv_from(buffer, libc::MSG_TRUNC))?;
        if length > room {
            return Err(Errno::EMSGSIZE.into());
        }
        Ok(sender.port_number())
    }
}

fn tolerate_absence(option: io::Result<()>) -> io::Result<()> {
    match option {
        Err(error) if error.raw_os_error() == Some(Errno::ENOPROTOOPT as i32) => Ok(()),
        other => other,
    }
}

fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
