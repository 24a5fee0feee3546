//! The exchanges of RFC 2131: four packets for a lease, two to prolong it, one to release it.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, UdpSocket};

use ferrule_plugin::RecordError;
use tokio::time::Instant;

use super::grant;
use super::message::{Kind, Sender};
use super::packet::SERVER_PORT;
use super::port::{Port, Route, send_release, socket_error};
use super::reply::{Reply, ReplyKind};
use crate::clock;
use crate::exchange::{Answer, Ask, Client, ExchangeError};
use crate::lease::Lease;
use crate::timing::BackOff;

/// How often an offer is asked for before it is given up.
const MOST_REQUESTS: usize = 4;

/// See [`crate::exchange::acquire`].
pub(crate) async fn acquire(
    client: Client<'_>,
    wanted: Option<&Lease>,
    requesting: &mut dyn FnMut(&Lease) -> Result<(), RecordError>,
) -> Result<Lease, ExchangeError> {
    let end = Instant::now() + client.settings.resend_timeout;
    let mut port = Port::open(client, clock::random(), None).await?;
    let mut wanted = wanted.and_then(|lease| ipv4(lease.address.address()));
    let mut waits = waits(client);
    loop {
        let offer = discover(&mut port, client, wanted, &mut waits, end).await?;
        requesting(&offer)?;
        match request(&mut port, client, &offer, end).await? {
            Some(Answer::Granted(lease)) => return Ok(*lease),
            Some(Answer::Refused(_)) => wanted = None,
            None => {}
        }
        // A server that refuses what it offers must not be asked without a pause.
        tokio::time::sleep_until((Instant::now() + waits.next(clock::random())).min(end)).await;
    }
}

/// Waits for the first usable offer.
async fn discover(
    port: &mut Port<'_>,
    client: Client<'_>,
    wanted: Option<Ipv4Addr>,
    waits: &mut BackOff,
    end: Instant,
) -> Result<Lease, ExchangeError> {
    while Instant::now() < end {
        port.send(Kind::Discover(wanted));
        let until = (Instant::now() + waits.next(clock::random())).min(end);
        let offer = port.receive(until, |reply| match reply.kind {
            ReplyKind::Offer => grant::lease(reply, client.options, clock::now())
                .map_err(|error| told(reply, error)),
            _ => Err(format!(
                "server {} answers before it has offered anything",
                reply.server
            )),
        });
        if let Some(offer) = offer.await {
            port.trace.received("DHCPOFFER", offer.server);
            return Ok(offer);
        }
    }
    Err(port.no_answer())
}

/// Asks for what was offered; `None` if the server has gone silent.
async fn request(
    port: &mut Port<'_>,
    client: Client<'_>,
    offer: &Lease,
    end: Instant,
) -> Result<Option<Answer>, ExchangeError> {
    let (Some(address), Some(server)) = (ipv4(offer.address.address()), ipv4(offer.server)) else {
        return Ok(None);
    };
    let mut waits = waits(client);
    for _ in 0..MOST_REQUESTS {
        port.send(Kind::Request { address, server });
        let until = (Instant::now() + waits.next(clock::random())).min(end);
        let answer = port.receive(until, |reply| {
            if reply.server == server {
                answer(reply, client)
            } else {
                Err(not_asked(reply))
            }
        });
        if let Some(answer) = answer.await {
            if matches!(answer, Answer::Refused(_)) {
                port.trace.received("DHCPNAK", offer.server);
            }
            return Ok(Some(answer));
        }
        if Instant::now() >= end {
            return Err(port.no_answer());
        }
    }
    Ok(None)
}

/// See [`crate::exchange::prolong`].
pub(crate) async fn prolong(
    client: Client<'_>,
    lease: &Lease,
    ask: Ask,
) -> Result<Answer, ExchangeError> {
    let not_ipv4 = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let (Some(address), Some(server)) = (ipv4(lease.address.address()), ipv4(lease.server)) else {
        return Err(socket_error(
            "renew a lease without an IPv4 address",
            &client.place.ifname,
        )(not_ipv4()));
    };
    let route = (ask == Ask::Server).then_some(Route {
        from: address,
        to: server,
    });
    let mut port = Port::open(client, clock::random(), route).await?;
    port.send(Kind::Prolong(address));
    let until = Instant::now() + client.settings.timeout;
    let answer = port.receive(until, |reply| match ask {
        Ask::Server if reply.server != server => Err(not_asked(reply)),
        _ => answer(reply, client),
    });
    match answer.await {
        Some(answer) => Ok(answer),
        None => Err(port.no_answer()),
    }
}

/// See [`crate::exchange::release`].
pub(crate) async fn release(client: Client<'_>, lease: &Lease) -> Result<(), ExchangeError> {
    let (Some(address), Some(server)) = (ipv4(lease.address.address()), ipv4(lease.server)) else {
        return Ok(());
    };
    let kind = Kind::Release { address, server };
    let route = Route {
        from: address,
        to: server,
    };
    if client.place.is_gone() {
        return release_from_host(client, kind, server);
    }
    let sent = send_release(client, kind, route).await;
    // The interface may be gone, or the way to the server.
    sent.or_else(|error| release_from_host(client, kind, server).map_err(|_| error))
}

/// Sends the release by the host's routes: the server knows the client by its identifier.
fn release_from_host(
    client: Client<'_>,
    kind: Kind,
    server: Ipv4Addr,
) -> Result<(), ExchangeError> {
    let sender = Sender {
        key: client.key,
        options: client.options,
        mac: [0; 6],
        xid: clock::random(),
        broadcast: false,
    };
    let send = || {
        let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_nonblocking(true)?;
        socket.send_to(
            &sender.message(kind, 0),
            SocketAddrV4::new(server, SERVER_PORT),
        )
    };
    send().map(drop).map_err(socket_error(
        "send a release from the host for",
        &client.place.ifname,
    ))
}

/// What a reply to a request means.
fn answer(reply: &Reply, client: Client<'_>) -> Result<Answer, String> {
    match reply.kind {
        ReplyKind::Ack => {
            let lease = grant::lease(reply, client.options, clock::now());
            lease
                .map(|lease| Answer::Granted(Box::new(lease)))
                .map_err(|error| told(reply, error))
        }
        ReplyKind::Nak => Ok(Answer::Refused(format!(
            "server {}: {:?}",
            reply.server,
            reply.text()
        ))),
        ReplyKind::Offer => Err(format!(
            "server {} offers what was not asked for",
            reply.server
        )),
    }
}

fn not_asked(reply: &Reply) -> String {
    format!("server {} was not asked", reply.server)
}

fn told(reply: &Reply, error: grant::Unusable) -> String {
    format!("server {}: {error}", reply.server)
}

fn waits(client: Client<'_>) -> BackOff {
    BackOff::new(client.settings.timeout, client.settings.resend_max)
}

fn ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}
