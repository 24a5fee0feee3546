//! The sockets of one exchange, opened in the container's namespace and closed with the exchange, so
//! that they do not keep the namespace alive.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::Duration;

use ferrule_kernel::packet::{UdpFilter, has_unsent};
use ferrule_kernel::{Family, PacketSocket};
use ferrule_net::NetError;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::Interest;
use tokio::sync::oneshot;
use tokio::task;
use tokio::time::{Instant, timeout_at};

use super::message::{Kind, Sender};
use super::packet::{self, CLIENT_PORT, SERVER_PORT};
use super::reply::Reply;
use crate::exchange::{Client, ExchangeError};
use crate::place::{Entered, PlaceError};
use crate::trace::Trace;

/// Where the transaction id is in a message.
const XID: u32 = 4;
/// What a message may have with its headers; the client announces less.
const LARGEST: usize = 2048;
/// How long a release may wait for the server's link-layer address, and how often that is looked at.
const LEAVE_TIME: Duration = Duration::from_secs(2);
const LEAVE_PAUSE: Duration = Duration::from_millis(1);

/// The client's end of an exchange.
pub(super) struct Port<'a> {
    sender: Sender<'a>,
    packets: PacketSocket,
    readiness: tokio::net::UdpSocket,
    unicast: Option<UdpSocket>,
    /// The interface's name.
    pub(super) ifname: String,
    /// What has been sent and heard.
    pub(super) trace: Trace,
    begin: Instant,
    buffer: Box<[u8; LARGEST]>,
    /// Goes last: see [`close_aside`].
    _closing: oneshot::Sender<()>,
}

/// The two ends of a unicast message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    /// The leased address.
    pub(super) from: Ipv4Addr,
    /// The server.
    pub(super) to: Ipv4Addr,
}

impl<'a> Port<'a> {
    /// Opens the sockets for an exchange of the number `xid`. A unicast socket that cannot be had is
    /// replaced by broadcast: the interface need not have the address any more.
    pub(super) async fn open(
        client: Client<'a>,
        xid: u32,
        route: Option<Route>,
    ) -> Result<Self, ExchangeError> {
        let filter = UdpFilter {
            port: CLIENT_PORT,
            offset: XID,
            number: xid,
        };
        let open = move |place: &crate::lease::Place| {
            let Entered { sandbox, link } = place.enter_up()?;
            let mac = link.mac.and_then(|mac| mac.ethernet());
            let mac = mac.ok_or_else(|| PlaceError::NotEthernet(link.name.clone()))?;
            // Without the address the kernel would send from 0.0.0.0.
            let addresses = sandbox.addresses(link.index, Some(Family::V4));
            let addresses = addresses
                .map_err(NetError::from)
                .map_err(PlaceError::from)?;
            let is_there = |route: &Route| addresses.iter().any(|a| a.address.ip() == route.from);
            let sockets = sandbox.run(|| {
                let packets = PacketSocket::open(link.index, filter)?;
                let unicast = route
                    .filter(is_there)
                    .and_then(|r| unicast(r, &link.name).ok());
                Ok((packets, unicast))
            });
            match sockets.map_err(PlaceError::from)? {
                Ok((packets, unicast)) => Ok((packets, unicast, mac, link.name)),
                Err(source) => Err(socket_error("open a packet socket", &link.name)(source)),
            }
        };
        let (packets, unicast, mac, ifname) = client.place.on_thread(open).await?;
        let failed = socket_error("wait for packets", &ifname);
        let prepared = readiness(&packets).and_then(|ready| Ok((ready, close_aside(&packets)?)));
        let (readiness, closing) = prepared.map_err(failed)?;
        Ok(Self {
            sender: Sender {
                key: client.key,
                options: client.options,
                mac,
                xid,
                broadcast: client.settings.broadcast,
            },
            packets,
            readiness,
            unicast,
            ifname,
            trace: Trace::default(),
            begin: Instant::now(),
            buffer: Box::new([0; LARGEST]),
            _closing: closing,
        })
    }

    /// Sends a message, by unicast if the port was opened for it. A failure is noted only: the link
    /// may come up before the next attempt.
    pub(super) fn send(&mut self, kind: Kind) {
        let seconds = u16::try_from(self.begin.elapsed().as_secs()).unwrap_or(u16::MAX);
        let message = self.sender.message(kind, seconds);
        let any = Ipv4Addr::UNSPECIFIED;
        let (from, to) = match kind {
            Kind::Discover(_) | Kind::Request { .. } => (any, Ipv4Addr::BROADCAST),
            Kind::Prolong(address) => (address, Ipv4Addr::BROADCAST),
            Kind::Release { address, server } => (address, server),
        };
        let sent = match &self.unicast {
            Some(socket) => socket.send(&message).map(drop),
            None => self.packets.broadcast(&packet::wrap(from, to, &message)),
        };
        self.trace.sent(kind.name(), sent);
    }

    /// The next answer that `accept` makes something of, until the time `end`.
    pub(super) async fn receive<T>(
        &mut self,
        end: Instant,
        mut accept: impl FnMut(&Reply) -> Result<T, String>,
    ) -> Option<T> {
        loop {
            let length = timeout_at(end, self.next()).await.ok()?;
            let bytes = match length {
                Ok(length) => self.buffer.get(..length).unwrap_or_default(),
                Err(error) => {
                    self.trace.ignored(ferrule_file::io_text(&error));
                    // An error stays until it is read, such as that of a link that went down; one
                    // that comes again at once must not keep the processor busy.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let reply = Reply::read(bytes, self.sender.xid, self.sender.mac);
            match reply
                .map_err(|ignored| ignored.to_string())
                .and_then(|reply| accept(&reply))
            {
                Ok(value) => return Some(value),
                Err(reason) => self.trace.ignored(reason),
            }
        }
    }

    async fn next(&mut self) -> io::Result<usize> {
        let receive = || self.packets.receive(&mut *self.buffer);
        self.readiness.async_io(Interest::READABLE, receive).await
    }

    /// The error of an exchange without an answer.
    pub(super) fn no_answer(&self) -> ExchangeError {
        ExchangeError::NoAnswer {
            ifname: self.ifname.clone(),
            time: self.begin.elapsed(),
            trace: self.trace.to_string(),
        }
    }
}

/// Tells when packets wait. The runtime knows sockets of its own types alone; this one is asked for
/// nothing that UDP does otherwise.
fn readiness(packets: &PacketSocket) -> io::Result<tokio::net::UdpSocket> {
    let same = packets.as_fd().try_clone_to_owned()?;
    tokio::net::UdpSocket::from_std(UdpSocket::from(same))
}

/// Has a thread close the socket when the sender that is returned is gone. Closing a packet socket
/// waits for all processors, 20 ms or so, which the daemon has other use for.
fn close_aside(packets: &PacketSocket) -> io::Result<oneshot::Sender<()>> {
    let last = packets.as_fd().try_clone_to_owned()?;
    let (closing, is_closing) = oneshot::channel();
    tokio::spawn(async move {
        let _ = is_closing.await;
        task::spawn_blocking(move || drop(last));
    });
    Ok(closing)
}

/// A socket from the leased address to the server, in the calling thread's namespace.
fn unicast(route: Route, ifname: &str) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddrV4::new(route.from, CLIENT_PORT))?;
    setsockopt(&socket, sockopt::BindToDevice, &ifname.into())?;
    socket.set_nonblocking(true)?;
    socket.connect(SocketAddrV4::new(route.to, SERVER_PORT))?;
    Ok(socket)
}

/// Sends a release from the leased address: by unicast, and waits until it has left, as the interface
/// may be removed right after. An interface without the address, as after a failed ADD, sends it to
/// everybody on the link.
pub(super) async fn send_release(
    client: Client<'_>,
    kind: Kind,
    route: Route,
) -> Result<(), ExchangeError> {
    let port = Port::open(client, crate::clock::random(), Some(route));
    let mut port = port.await?;
    port.send(kind);
    let Some(socket) = &port.unicast else {
        return Ok(());
    };
    let end = Instant::now() + LEAVE_TIME;
    while has_unsent(socket).unwrap_or(false) {
        if Instant::now() > end {
            let unresolved = io::ErrorKind::HostUnreachable.into();
            let action = "reach the server for a release";
            return Err(socket_error(action, &port.ifname)(unresolved));
        }
        tokio::time::sleep(LEAVE_PAUSE).await;
    }
    Ok(())
}

pub(super) fn socket_error(
    action: &'static str,
    ifname: &str,
) -> impl FnOnce(io::Error) -> ExchangeError {
    let ifname = ifname.to_owned();
    move |source| ExchangeError::Socket {
        action,
        ifname,
        source,
    }
}
