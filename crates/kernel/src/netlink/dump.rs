//! Reading: one object, or all objects of a kind.

use std::ops::ControlFlow::{Break, Continue};
use std::thread::sleep;
use std::time::Duration;

use netlink_packet_core::Emitable;
use nix::libc::{NLM_F_DUMP, NLM_F_ECHO, NLM_F_REQUEST};

use super::error::{NetlinkError, RequestError};
use super::message::{CHANGE, append_request, flag, number_requests};
use super::reply::{Malformed, Parsed, Reply};
use super::socket::{ReplySize, Socket};

/// How many times a dump is tried in all. On a busy node rulesets change all the time.
pub(super) const ATTEMPTS: u32 = 100;

/// The pause after the first interrupted dump; it grows by as much with every further one, so that
/// a flood of changes is outlasted: 1 s in all.
const PAUSE: Duration = Duration::from_micros(200);

impl Socket {
    /// Gets one object. `operation` is called only for an error.
    pub fn get<T>(
        &self,
        operation: &dyn Fn() -> String,
        kind: u16,
        body: &impl Emitable,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<T, NetlinkError> {
        let object = self.get_with(flag(NLM_F_REQUEST), kind, body, parse);
        object
            .and_then(|object| object.ok_or(RequestError::Malformed))
            .map_err(|error| error.during(operation()))
    }

    /// Gets one object that the kernel describes in a notification, of which it sends a copy to
    /// those who ask for an echo; `None` when it acknowledges the request alone.
    pub fn get_echo<T>(
        &self,
        operation: &dyn Fn() -> String,
        kind: u16,
        body: &impl Emitable,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<Option<T>, NetlinkError> {
        self.get_with(CHANGE | flag(NLM_F_ECHO), kind, body, parse)
            .map_err(|error| error.during(operation()))
    }

    /// `None` if an acknowledgement comes in place of the object.
    fn get_with<T>(
        &self,
        flags: u16,
        kind: u16,
        body: &impl Emitable,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<Option<T>, RequestError> {
        let sequence = self.request(kind, flags, body)?;
        self.collect(ReplySize::Object, sequence, 1, |_, reply| {
            Break(match reply {
                Reply::Object(payload) => match parse(payload) {
                    Ok(Some(object)) => Ok(Some(object)),
                    Ok(None) => Err(RequestError::Malformed),
                    Err(malformed) => Err(malformed.into()),
                },
                Reply::Error(error) => Err(RequestError::Refused(error)),
                Reply::Acknowledged => Ok(None),
                Reply::Interrupted => return Continue(()),
                Reply::Done => Err(RequestError::Malformed),
            })
        })
    }

    /// Dumps all objects that `parse` keeps. A dump that a change interrupted may lack objects and
    /// is repeated, at most 100 times in all.
    pub fn dump<T>(
        &self,
        operation: &dyn Fn() -> String,
        kind: u16,
        body: &impl Emitable,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<Vec<T>, NetlinkError> {
        let outcome = until_complete(|| self.dump_once(kind, body, &parse));
        outcome
            .and_then(|objects| objects.ok_or(RequestError::Interrupted))
            .map_err(|error| error.during(operation()))
    }

    /// `None` if a change interrupted the dump.
    fn dump_once<T>(
        &self,
        kind: u16,
        body: &impl Emitable,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<Option<Vec<T>>, RequestError> {
        let flags = flag(NLM_F_REQUEST) | flag(NLM_F_DUMP);
        let sequence = self.request(kind, flags, body)?;
        let mut objects = Vec::new();
        let mut is_interrupted = false;
        self.collect(ReplySize::Dump, sequence, 1, |_, reply| {
            match reply {
                Reply::Object(payload) => match parse(payload) {
                    Ok(object) => objects.extend(object),
                    Err(Malformed) => return Break(Err(RequestError::Malformed)),
                },
                Reply::Interrupted => is_interrupted = true,
                Reply::Done => return Break(Ok(())),
                Reply::Error(error) => return Break(Err(RequestError::Refused(error))),
                Reply::Acknowledged => return Break(Err(RequestError::Malformed)),
            }
            Continue(())
        })?;
        Ok((!is_interrupted).then_some(objects))
    }

    /// Sends a request and returns its sequence number.
    fn request(&self, kind: u16, flags: u16, body: &impl Emitable) -> Result<u32, RequestError> {
        let mut request = Vec::with_capacity(64);
        append_request(&mut request, kind, flags, body);
        let sequence = self.next_sequence();
        number_requests(&mut request, || sequence);
        self.send(&request)?;
        Ok(sequence)
    }
}

/// Repeats `attempt` while it yields nothing, at most [`ATTEMPTS`] times.
fn until_complete<T, E>(mut attempt: impl FnMut() -> Result<Option<T>, E>) -> Result<Option<T>, E> {
    for pauses in 1..ATTEMPTS {
        if let Some(objects) = attempt()? {
            return Ok(Some(objects));
        }
        sleep(PAUSE * pauses);
    }
    attempt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupted_dumps_are_repeated_but_not_for_ever() {
        let attempts_until = |complete: u32| {
            let mut attempts = 0;
            let outcome = until_complete(|| {
                attempts += 1;
                Ok::<_, ()>((attempts >= complete).then_some(attempts))
            });
            (attempts, outcome)
        };
        assert_eq!(attempts_until(1), (1, Ok(Some(1))));
        assert_eq!(attempts_until(5), (5, Ok(Some(5))));
        assert_eq!(attempts_until(ATTEMPTS + 1), (ATTEMPTS, Ok(None)));
    }
}
