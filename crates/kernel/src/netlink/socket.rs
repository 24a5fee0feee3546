//! The socket: whole datagrams from the kernel, and from nobody else.

use std::cell::{Cell, RefCell};
use std::io;

use netlink_sys::SocketAddr;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt, sockopt::ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::error::NetlinkError;

/// How long a reply may take. Changes are carried out during `send`, so that only a kernel in
/// serious trouble needs this.
const PATIENCE_SECONDS: i64 = 10;

/// The kernel's address; processes have others.
const KERNEL_PORT: u32 = 0;

/// The usual size of a listing's datagrams, and far beyond that of any other reply.
const USUAL_DATAGRAM: usize = 32 * 1024;

/// Why sending or receiving failed.
#[derive(Debug)]
pub enum SocketFailure {
    /// A system call failed.
    Call {
        /// Its job: `open netlink socket`, `send request`, `receive reply`.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Nothing came.
    TimedOut,
}

impl SocketFailure {
    /// The error for what was asked when it happened.
    pub fn during(self, step: String) -> NetlinkError {
        match self {
            Self::Call { action, source } => NetlinkError::Socket {
                step,
                action,
                source,
            },
            Self::TimedOut => NetlinkError::TimedOut {
                step,
                seconds: PATIENCE_SECONDS,
            },
        }
    }
}

/// A netlink socket of one protocol, bound to the network namespace it was opened in.
#[derive(Debug)]
pub struct Socket {
    inner: netlink_sys::Socket,
    sequence: Cell<u32>,
    buffer: RefCell<Vec<u8>>,
}

impl Socket {
    /// Opens a socket for a protocol (`NETLINK_*`).
    pub fn open(protocol: isize) -> Result<Self, NetlinkError> {
        Self::prepare(protocol).map_err(|source| {
            SocketFailure::Call {
                action: "open netlink socket",
                source,
            }
            .during("talk to the kernel".to_owned())
        })
    }

    fn prepare(protocol: isize) -> io::Result<Self> {
        let inner = netlink_sys::Socket::new(protocol)?;
        // Connecting to port 0, the kernel, also gives the socket a port of its own.
        inner.connect(&SocketAddr::new(KERNEL_PORT, 0))?;
        // The kernel's sentences in errors, errors without a copy of the request, and listings
        // filtered by the kernel. Old kernels lack some; nothing here depends on them for truth.
        tolerate_absence(inner.set_ext_ack(true))?;
        tolerate_absence(inner.set_cap_ack(true))?;
        tolerate_absence(inner.set_netlink_get_strict_chk(true))?;
        setsockopt(&inner, ReceiveTimeout, &TimeVal::seconds(PATIENCE_SECONDS))?;
        Ok(Self {
            inner,
            sequence: Cell::new(0),
            buffer: RefCell::new(Vec::new()),
        })
    }

    /// Makes room for sending `bytes` at once. The usual limit (`wmem_max`) is exceeded with
    /// privilege; without, the kernel grants what it allows and `send` reports the rest.
    pub fn make_room(&self, bytes: usize) -> Result<(), SocketFailure> {
        setsockopt(&self.inner, sockopt::SndBufForce, &bytes)
            .or_else(|_| setsockopt(&self.inner, sockopt::SndBuf, &bytes))
            .map_err(|errno| SocketFailure::Call {
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
    pub fn send(&self, requests: &[u8]) -> Result<(), SocketFailure> {
        let sent = retried(|| self.inner.send(requests, 0));
        sent.map(drop).map_err(|source| SocketFailure::Call {
            action: "send request",
            source,
        })
    }

    /// Waits for the kernel's next datagram, an answer to a single request, and lets `inspect` look
    /// at it.
    pub fn receive<T>(&self, inspect: impl FnOnce(&[u8]) -> T) -> Result<T, SocketFailure> {
        self.hear(inspect, |buffer| {
            buffer.clear();
            buffer.reserve(USUAL_DATAGRAM);
            let room = buffer.capacity();
            let (length, sender) = retried(|| self.inner.recv_from(buffer, libc::MSG_TRUNC))?;
            if length > room {
                return Err(Errno::EMSGSIZE.into());
            }
            Ok(sender.port_number())
        })
    }

    /// As [`Self::receive`], for the datagrams of listings, whose size has no limit.
    pub fn receive_part<T>(&self, inspect: impl FnOnce(&[u8]) -> T) -> Result<T, SocketFailure> {
        self.hear(inspect, |buffer| {
            let (length, _) = retried(|| {
                let mut nothing: &mut [u8] = &mut [];
                self.inner
                    .recv_from(&mut nothing, libc::MSG_PEEK | libc::MSG_TRUNC)
            })?;
            buffer.clear();
            buffer.reserve(length.max(USUAL_DATAGRAM));
            let (_, sender) = retried(|| self.inner.recv_from(buffer, 0))?;
            Ok(sender.port_number())
        })
    }

    /// Takes datagrams with `read`, which returns the sender's port, until one is the kernel's.
    fn hear<T>(
        &self,
        inspect: impl FnOnce(&[u8]) -> T,
        read: impl Fn(&mut Vec<u8>) -> io::Result<u32>,
    ) -> Result<T, SocketFailure> {
        let mut buffer = self.buffer.borrow_mut();
        loop {
            match read(&mut buffer) {
                Ok(KERNEL_PORT) => return Ok(inspect(&buffer)),
                // Any process may send to our port.
                Ok(_) => {}
                Err(source) if source.kind() == io::ErrorKind::WouldBlock => {
                    return Err(SocketFailure::TimedOut);
                }
                Err(source) => {
                    return Err(SocketFailure::Call {
                        action: "receive reply",
                        source,
                    });
                }
            }
        }
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
