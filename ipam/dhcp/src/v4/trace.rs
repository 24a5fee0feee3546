//! What an exchange has sent and heard, for the error if it fails.

use std::fmt;
use std::io;
use std::net::IpAddr;

use super::message::Kind;
use ferrule_file::io_text;

/// Counts of packets, and the last thing that was wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    discovers: u32,
    requests: u32,
    offers: u32,
    /// The server of the last offer.
    server: Option<IpAddr>,
    ignored: u32,
    last_ignored: String,
    send_error: String,
    /// Refusals (DHCPNAK).
    naks: u32,
}

impl Trace {
    pub(super) fn sent(&mut self, kind: Kind, outcome: io::Result<()>) {
        match kind {
            _ if outcome.is_err() => {}
            Kind::Discover(_) => self.discovers += 1,
            _ => self.requests += 1,
        }
        if let Err(error) = outcome {
            self.send_error = io_text(&error);
        }
    }

    pub(super) fn offered(&mut self, server: IpAddr) {
        self.server = Some(server);
        self.offers += 1;
    }

    pub(super) fn refused(&mut self) {
        self.naks += 1;
    }

    pub(super) fn ignored(&mut self, reason: String) {
        self.ignored = self.ignored.saturating_add(1);
        self.last_ignored = reason;
    }
}

impl fmt::Display for Trace {
    /// `sent 4 DHCPDISCOVER and 0 DHCPREQUEST, received nothing`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            discovers,
            requests,
            offers,
            server,
            naks,
            ignored,
            last_ignored,
            send_error,
        } = self;
        write!(
            f,
            "sent {discovers} DHCPDISCOVER and {requests} DHCPREQUEST, received "
        )?;
        match (offers, naks, ignored) {
            (0, 0, 0) => write!(f, "nothing")?,
            (_, _, 0) => write!(f, "{offers} DHCPOFFER and {naks} DHCPNAK")?,
            _ => write!(
                f,
                "{offers} DHCPOFFER, {naks} DHCPNAK and {ignored} that are of no use, the last: {last_ignored}"
            )?,
        }
        if let Some(server) = server {
            write!(
                f,
                "; the last offer was from server {server}, which then gave no lease"
            )?;
        }
        if !send_error.is_empty() {
            write!(f, "; the last error of sending: {send_error}")?;
        }
        Ok(())
    }
}
