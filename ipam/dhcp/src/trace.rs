//! What an exchange has sent and heard, for the error if it fails.

use std::fmt;
use std::io;
use std::net::IpAddr;

use ferrule_file::io_text;

/// Counts of messages, and the last thing that was wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    sent: Counts,
    received: Counts,
    /// The server of the last message that was of use.
    server: Option<IpAddr>,
    ignored: u32,
    last_ignored: String,
    send_error: String,
}

impl Trace {
    /// A message of this name was sent, or could not be.
    pub(crate) fn sent(&mut self, name: &'static str, outcome: io::Result<()>) {
        match outcome {
            Ok(()) => self.sent.count(name),
            Err(error) => self.send_error = io_text(&error),
        }
    }

    /// A server sent a message of this name.
    pub(crate) fn received(&mut self, name: &'static str, server: IpAddr) {
        self.received.count(name);
        self.server = Some(server);
    }

    /// A packet was of no use.
    pub(crate) fn ignored(&mut self, reason: String) {
        self.ignored = self.ignored.saturating_add(1);
        self.last_ignored = reason;
    }
}

impl fmt::Display for Trace {
    /// `sent 4 DHCPDISCOVER, received nothing`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sent {}, received {}", self.sent, self.received)?;
        if let Some(server) = self.server {
            write!(f, " (from {server})")?;
        }
        if self.ignored > 0 {
            write!(
                f,
                "; {} packets were of no use, the last: {}",
                self.ignored, self.last_ignored
            )?;
        }
        if !self.send_error.is_empty() {
            write!(f, "; the last error of sending: {}", self.send_error)?;
        }
        Ok(())
    }
}

/// Names of messages in the order of their first one, and how many there were.
#[derive(Clone, Debug, Default)]
struct Counts(Vec<(&'static str, u32)>);

impl Counts {
    fn count(&mut self, name: &'static str) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.0.push((name, 1)),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        for (place, (name, count)) in self.0.iter().enumerate() {
            let and = if place > 0 { " and " } else { "" };
            write!(f, "{and}{count} {name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_is_told_in_a_line() {
        let mut trace = Trace::default();
        assert_eq!(trace.to_string(), "sent nothing, received nothing");
        trace.sent("DHCPDISCOVER", Ok(()));
        trace.sent("DHCPDISCOVER", Ok(()));
        trace.sent("DHCPREQUEST", Err(io::ErrorKind::NotConnected.into()));
        trace.sent("DHCPREQUEST", Ok(()));
        trace.received("DHCPOFFER", IpAddr::from([10, 0, 0, 1]));
        trace.ignored("not whole".to_owned());
        let text = trace.to_string();
        let start = "sent 2 DHCPDISCOVER and 1 DHCPREQUEST, received 1 DHCPOFFER (from 10.0.0.1); \
                     1 packets were of no use, the last: not whole; the last error of sending: ";
        assert!(text.starts_with(start), "{text}");
    }
}
