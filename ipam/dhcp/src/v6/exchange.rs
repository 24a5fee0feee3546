//! The exchanges of RFC 8415: four packets for a lease, two to prolong it, two to release it.

use std::net::Ipv6Addr;
use std::time::Duration;

use ferrule_plugin::RecordError;
use tokio::time::{Instant, sleep_until};

use super::grant::{self, Refusal, ipv6};
use super::message::Kind;
use super::port::Port;
use super::reply::ReplyKind;
use crate::clock;
use crate::exchange::{Answer, Ask, Client, ExchangeError};
use crate::lease::Lease;
use crate::place::PlaceError;
use crate::timing::BackOff;

/// How often an advertised address is asked for before it is given up.
const MOST_REQUESTS: usize = 4;
/// How often a release is sent, and how long each waits for the server's word.
const MOST_RELEASES: usize = 2;
const RELEASE_WAIT: Duration = Duration::from_secs(1);

/// See [`crate::exchange::acquire`].
pub(crate) async fn acquire(
    client: Client<'_>,
    wanted: Option<&Lease>,
    requesting: &mut dyn FnMut(&Lease) -> Result<(), RecordError>,
) -> Result<Lease, ExchangeError> {
    let end = Instant::now() + client.settings.resend_timeout;
    let mut port = Port::open(client).await?;
    let mut wanted = wanted.and_then(ipv6);
    let mut waits = waits(client);
    loop {
        let offer = solicit(&mut port, client, wanted, &mut waits, end).await?;
        requesting(&offer)?;
        match request(&mut port, client, &offer, end).await? {
            Some(Answer::Granted(lease)) => return Ok(*lease),
            Some(Answer::Refused(reason)) => {
                port.trace.ignored(reason);
                wanted = None;
            }
            None => {}
        }
        // A server that refuses what it advertises must not be asked without a pause.
        sleep_until((Instant::now() + waits.next(clock::random())).min(end)).await;
    }
}

/// Waits for the first usable advertisement.
async fn solicit(
    port: &mut Port<'_>,
    client: Client<'_>,
    wanted: Option<Ipv6Addr>,
    waits: &mut BackOff,
    end: Instant,
) -> Result<Lease, ExchangeError> {
    while Instant::now() < end {
        port.send(Kind::Solicit(wanted)).await;
        let until = (Instant::now() + waits.next(clock::random())).min(end);
        let offer = port.receive(ReplyKind::Advertise, until, |reply, from| {
            grant::lease(reply, from, client.options, wanted, clock::now()).map_err(told)
        });
        if let Some(offer) = offer.await {
            port.trace.received("ADVERTISE", offer.server);
            return Ok(offer);
        }
    }
    Err(port.no_answer())
}

/// Asks for what was advertised, or is to be had anew; `None` if the server has gone silent.
async fn request(
    port: &mut Port<'_>,
    client: Client<'_>,
    offer: &Lease,
    end: Instant,
) -> Result<Option<Answer>, ExchangeError> {
    let Some(address) = ipv6(offer) else {
        return Ok(None);
    };
    let mut waits = waits(client);
    for _ in 0..MOST_REQUESTS {
        port.send(Kind::Request(address, &offer.server_id)).await;
        let until = (Instant::now() + waits.next(clock::random())).min(end);
        let answer = port.receive(ReplyKind::Reply, until, |reply, from| {
            if reply.server != offer.server_id {
                return Err("was not asked".to_owned());
            }
            let lease = grant::lease(reply, from, client.options, Some(address), clock::now());
            Ok(lease.map_or_else(
                |refusal| Answer::Refused(told(refusal)),
                |lease| Answer::Granted(Box::new(lease)),
            ))
        });
        if let Some(answer) = answer.await {
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
    let mut port = Port::open(client).await?;
    let Some(address) = ipv6(lease) else {
        return Err(port.no_answer());
    };
    port.send(match ask {
        Ask::Server => Kind::Renew(address, &lease.server_id),
        Ask::Anyone => Kind::Rebind(address),
    })
    .await;
    let until = Instant::now() + client.settings.timeout;
    let answer = port.receive(ReplyKind::Reply, until, |reply, from| {
        if ask == Ask::Server && reply.server != lease.server_id {
            return Err("was not asked".to_owned());
        }
        match grant::lease(reply, from, client.options, Some(address), clock::now()) {
            Ok(lease) => Ok(Ok(Answer::Granted(Box::new(lease)))),
            Err(Refusal::NoBinding) => Ok(Err((reply.server.clone(), from))),
            // Another server may know better.
            Err(refusal) if ask == Ask::Anyone => Err(told(refusal)),
            Err(refusal) => Ok(Ok(Answer::Refused(told(refusal)))),
        }
    });
    match answer.await {
        Some(Ok(answer)) => Ok(answer),
        // It has forgotten the lease, and may grant it anew.
        Some(Err((server_id, from))) => {
            let offer = Lease {
                server_id,
                server: from.into(),
                ..lease.clone()
            };
            let until = Instant::now() + client.settings.timeout;
            match request(&mut port, client, &offer, until).await? {
                Some(answer) => Ok(answer),
                None => Err(port.no_answer()),
            }
        }
        None => Err(port.no_answer()),
    }
}

/// See [`crate::exchange::release`]. There is an answer, but the lease ends without it as well.
pub(crate) async fn release(client: Client<'_>, lease: &Lease) -> Result<(), ExchangeError> {
    if client.place.is_gone() {
        // Servers are reached on the link alone.
        return Err(PlaceError::Gone(client.place.netns.clone()).into());
    }
    let mut port = Port::open(client).await?;
    let Some(address) = ipv6(lease) else {
        return Ok(());
    };
    for _ in 0..MOST_RELEASES {
        port.send(Kind::Release(address, &lease.server_id)).await;
        let until = Instant::now() + RELEASE_WAIT;
        let answer = port.receive(ReplyKind::Reply, until, |reply, _| {
            let is_asked = reply.server == lease.server_id;
            is_asked
                .then_some(())
                .ok_or_else(|| "was not asked".to_owned())
        });
        if answer.await.is_some() {
            return Ok(());
        }
    }
    Err(port.no_answer())
}

fn told(refusal: Refusal) -> String {
    match refusal {
        Refusal::NoBinding => "does not know the lease".to_owned(),
        Refusal::Other(reason) => reason,
    }
}

fn waits(client: Client<'_>) -> BackOff {
    BackOff::new(client.settings.timeout, client.settings.resend_max)
}
