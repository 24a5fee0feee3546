//! The socket of one exchange, opened in the container's namespace and closed with the exchange, so
//! that it does not keep the namespace alive.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use ferrule_file::io_text;
use ferrule_kernel::Family;
use ferrule_net::NetError;
use ferrule_net::addressing::enable_ipv6;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep, timeout_at};

use super::identity::Identity;
use super::message::{Kind, Sender};
use super::reply::{Reply, ReplyKind};
use crate::clock;
use crate::exchange::{Client, ExchangeError};
use crate::lease::Place;
use crate::place::{Entered, PlaceError};
use crate::trace::Trace;

/// All servers and relays on the link (RFC 8415, section 7.1).
const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
const SERVER_PORT: u16 = 547;
const CLIENT_PORT: u16 = 546;
/// What a message may have.
const LARGEST: usize = 4096;
/// How long the kernel may take to make the link-local address usable: the search for duplicates
/// begins within a second and lasts one (RFC 4862, section 5.4.2).
const LINK_LOCAL_TIME: Duration = Duration::from_secs(5);
const LINK_LOCAL_PAUSE: Duration = Duration::from_millis(50);

/// The client's end of an exchange.
pub(super) struct Port<'a> {
    sender: Sender<'a>,
    socket: UdpSocket,
    index: u32,
    ifname: String,
    /// What has been sent and heard.
    pub(super) trace: Trace,
    begin: Instant,
    buffer: Box<[u8; LARGEST]>,
}

/// A socket, or none as long as the interface has no usable link-local address.
struct Opened {
    socket: Option<std::net::UdpSocket>,
    index: u32,
    ifname: String,
}

impl<'a> Port<'a> {
    /// Opens the socket for an exchange, as soon as the interface has a link-local address.
    pub(super) async fn open(client: Client<'a>) -> Result<Self, ExchangeError> {
        let begin = Instant::now();
        let (socket, index, ifname) = loop {
            let Opened {
                socket,
                index,
                ifname,
            } = client.place.on_thread(open).await?;
            if let Some(socket) = socket {
                break (socket, index, ifname);
            }
            if begin.elapsed() > LINK_LOCAL_TIME {
                return Err(ExchangeError::NoLinkLocal { ifname });
            }
            sleep(LINK_LOCAL_PAUSE).await;
        };
        let socket = UdpSocket::from_std(socket).map_err(|source| ExchangeError::Socket {
            action: "wait for packets",
            ifname: ifname.clone(),
            source,
        })?;
        let [xid @ .., _] = clock::random().to_be_bytes();
        Ok(Self {
            sender: Sender {
                identity: Identity::of(client.key),
                request: &client.options.request,
                xid,
            },
            socket,
            index,
            ifname,
            trace: Trace::default(),
            begin: Instant::now(),
            buffer: Box::new([0; LARGEST]),
        })
    }

    /// Sends a message to all servers. A failure is noted only: the link may come up before the next
    /// attempt.
    pub(super) async fn send(&mut self, kind: Kind<'_>) {
        let hundredths = self.begin.elapsed().as_millis() / 10;
        let message = self
            .sender
            .message(kind, u16::try_from(hundredths).unwrap_or(u16::MAX));
        let servers = SocketAddrV6::new(SERVERS, SERVER_PORT, 0, self.index);
        let sent = self.socket.send_to(&message, servers).await;
        self.trace.sent(kind.name(), sent.map(drop));
    }

    /// The next answer of a kind that `accept` makes something of, until the time `end`. It is called
    /// with the server's address.
    pub(super) async fn receive<T>(
        &mut self,
        kind: ReplyKind,
        end: Instant,
        mut accept: impl FnMut(&Reply, Ipv6Addr) -> Result<T, String>,
    ) -> Option<T> {
        loop {
            let received = timeout_at(end, self.socket.recv_from(&mut *self.buffer))
                .await
                .ok()?;
            let (length, from) = match received {
                Ok((length, SocketAddr::V6(from))) => (length, *from.ip()),
                Ok(_) => continue,
                Err(error) => {
                    self.trace.ignored(io_text(&error));
                    // One that comes again at once must not keep the processor busy.
                    sleep(LINK_LOCAL_PAUSE).await;
                    continue;
                }
            };
            let bytes = self.buffer.get(..length).unwrap_or_default();
            let reply = Reply::read(bytes, self.sender.xid, &self.sender.identity);
            let accepted = reply
                .map_err(|ignored| ignored.to_string())
                .and_then(|reply| {
                    if reply.kind != kind {
                        return Err(format!("server {from} answers something else"));
                    }
                    accept(&reply, from).map_err(|reason| format!("server {from} {reason}"))
                });
            match accepted {
                Ok(value) => return Some(value),
                Err(reason) => self.trace.ignored(reason),
            }
        }
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

fn open(place: &Place) -> Result<Opened, ExchangeError> {
    let Entered { sandbox, link } = place.enter_up()?;
    let (index, ifname) = (link.index, link.name);
    let addresses = sandbox
        .addresses(index, Some(Family::V6))
        .map_err(|error| PlaceError::from(NetError::from(error)))?;
    let usable = addresses
        .iter()
        .filter(|found| !found.flags.tentative && !found.flags.dad_failed);
    let link_local = usable.filter_map(|found| match found.address.ip() {
        IpAddr::V6(address) => Some(address).filter(Ipv6Addr::is_unicast_link_local),
        IpAddr::V4(_) => None,
    });
    let Some(address) = link_local.min() else {
        let enabled = sandbox
            .run(|| enable_ipv6(&ifname))
            .map_err(PlaceError::from)?;
        enabled.map_err(PlaceError::from)?;
        return Ok(Opened {
            socket: None,
            index,
            ifname,
        });
    };
    let bound = sandbox.run(|| {
        let socket = std::net::UdpSocket::bind(SocketAddrV6::new(address, CLIENT_PORT, 0, index))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    match bound.map_err(PlaceError::from)? {
        Ok(socket) => Ok(Opened {
            socket: Some(socket),
            index,
            ifname,
        }),
        Err(source) => Err(ExchangeError::Socket {
            action: "receive on UDP port 546",
            ifname,
            source,
        }),
    }
}
