//! Exchanges with servers: the boundary between a lease, which is kept alike whatever its protocol,
//! and the protocol.

use std::time::Duration;

use ferrule_file::io_text;
use ferrule_net::NetError;
use ferrule_plugin::RecordError;
use thiserror::Error;

use crate::lease::{ClientOptions, Lease, LeaseKey, Place, Protocol};
use crate::place::PlaceError;
use crate::{v4, v6};

/// How a daemon talks to servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How long the first packet of an exchange waits for an answer.
    pub(crate) timeout: Duration,
    /// The longest of such waits, which double.
    pub(crate) resend_max: Duration,
    /// How long a lease may take to acquire.
    pub(crate) resend_timeout: Duration,
    /// Whether servers are to answer by broadcast, where the protocol knows it.
    pub(crate) broadcast: bool,
}

/// The client of one lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    /// Whose lease it is.
    pub(crate) key: &'a LeaseKey,
    /// Where its interface is.
    pub(crate) place: &'a Place,
    /// What to ask for.
    pub(crate) options: &'a ClientOptions,
    /// How to talk.
    pub(crate) settings: &'a Settings,
}

/// Whom to ask for a longer lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The server that granted it, by unicast.
    Server,
    /// Everybody.
    Anyone,
}

/// A server's answer to who asks for a longer lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The lease from now on.
    Granted(Box<Lease>),
    /// The lease is over; with the server's words.
    Refused(String),
}

/// Why an exchange came to nothing.
#[derive(Debug, Error)]
pub(crate) enum ExchangeError {
    /// The interface is out of reach.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A socket on the interface failed.
    #[error("cannot {action} on interface {ifname:?}: {}", io_text(.source))]
    Socket {
        /// Completes "cannot …".
        action: &'static str,
        /// The interface.
        ifname: String,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// The kernel gave the interface no address of the link's own.
    #[error(
        "interface {ifname:?} has no usable link-local IPv6 address, which DHCPv6 needs: is \
         net.ipv6.conf.{ifname}.disable_ipv6 set there?"
    )]
    NoLinkLocal {
        /// The interface.
        ifname: String,
    },
    /// No usable answer came in time.
    #[error("no DHCP server answered on interface {ifname:?} within {} s: {trace}", .time.as_secs())]
    NoAnswer {
        /// The interface.
        ifname: String,
        /// How long was waited.
        time: Duration,
        /// What was sent and what came back.
        trace: String,
    },
    /// The state of the lease could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl ExchangeError {
    /// Whether the namespace lives on without the interface.
    pub(crate) fn is_interface_gone(&self) -> bool {
        let Self::Place(PlaceError::Net(error)) = self else {
            return false;
        };
        matches!(error, NetError::LinkNotFound { .. })
    }
}

/// Acquires a lease, that of the address of `wanted` if the server has no other in mind.
///
/// `requesting` is called before a server is asked for what it offered, which it then holds for the
/// client; an error ends the exchange.
pub(crate) async fn acquire(
    client: Client<'_>,
    wanted: Option<&Lease>,
    requesting: &mut dyn FnMut(&Lease) -> Result<(), RecordError>,
) -> Result<Lease, ExchangeError> {
    match client.key.protocol {
        Protocol::V4 => v4::acquire(client, wanted, requesting).await,
        Protocol::V6 => v6::acquire(client, wanted, requesting).await,
    }
}

/// Asks once for a longer lease, and waits at most the time of [`Settings::timeout`].
pub(crate) async fn prolong(
    client: Client<'_>,
    lease: &Lease,
    ask: Ask,
) -> Result<Answer, ExchangeError> {
    match client.key.protocol {
        Protocol::V4 => v4::prolong(client, lease, ask).await,
        Protocol::V6 => v6::prolong(client, lease, ask).await,
    }
}

/// Tells the server that the lease is not needed any more; there is no answer.
///
/// From a namespace that is gone nothing can be sent: the host tells an IPv4 server instead.
pub(crate) async fn release(client: Client<'_>, lease: &Lease) -> Result<(), ExchangeError> {
    match client.key.protocol {
        Protocol::V4 => v4::release(client, lease).await,
        Protocol::V6 => v6::release(client, lease).await,
    }
}
