//! Questions: one object, or all objects of a kind.

use netlink_packet_core::Emitable;
use nix::libc::{NLM_F_DUMP, NLM_F_REQUEST};

use super::error::NetlinkError;
use super::frame::{Frames, Refusal, Reply};
use super::message::{append_request, flag, number_requests};
use super::socket::Socket;

/// How often a listing is tried that changes keep interrupting.
const MOST_ATTEMPTS: u32 = 5;

/// An object in a reply: `None` when it is not one of those asked for.
pub(crate) type Parsed<T> = Result<Option<T>, Malformed>;

/// A reply too short to hold what it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// How reading one datagram ended.
enum Progress<T> {
    More,
    Finished(T),
    Refused(Refusal),
    Malformed,
}

impl Socket {
    /// Asks for one object. `step` is made only for an error.
    pub(crate) fn query<T>(
        &self,
        step: &dyn Fn() -> String,
        kind: u16,
        body: &impl Emitable,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<T, NetlinkError> {
        let sequence = self.ask(step, kind, flag(NLM_F_REQUEST), body)?;
        loop {
            let progress = self.hear(step, |datagram| {
                for frame in Frames::new(datagram) {
                    let Ok(frame) = frame else {
                        return Progress::Malformed;
                    };
                    if frame.sequence != sequence {
                        continue;
                    }
                    match frame.reply() {
                        Reply::Object(payload) => {
                            return match parse(payload) {
                                Ok(Some(object)) => Progress::Finished(object),
                                Ok(None) | Err(Malformed) => Progress::Malformed,
                            };
                        }
                        Reply::Refused(refusal) => return Progress::Refused(refusal),
                        Reply::Nothing => {}
                        Reply::Acknowledged | Reply::Done | Reply::Malformed => {
                            return Progress::Malformed;
                        }
                    }
                }
                Progress::More
            })?;
            match progress {
                Progress::More => {}
                Progress::Finished(object) => return Ok(object),
                Progress::Refused(refusal) => {
                    return Err(NetlinkError::refused(step(), refusal, None));
                }
                Progress::Malformed => return Err(NetlinkError::Malformed { step: step() }),
            }
        }
    }

    /// Asks for all objects `parse` keeps. A listing that a change interrupted may lack entries
    /// and is taken again, at most five times in all.
    pub(crate) fn list<T>(
        &self,
        step: &dyn Fn() -> String,
        kind: u16,
        body: &impl Emitable,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<Vec<T>, NetlinkError> {
        for _ in 0..MOST_ATTEMPTS {
            let (objects, torn) = self.list_once(step, kind, body, &parse)?;
            if !torn {
                return Ok(objects);
            }
        }
        Err(NetlinkError::Torn {
            step: step(),
            attempts: MOST_ATTEMPTS,
        })
    }

    fn list_once<T>(
        &self,
        step: &dyn Fn() -> String,
        kind: u16,
        body: &impl Emitable,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<(Vec<T>, bool), NetlinkError> {
        let flags = flag(NLM_F_REQUEST) | flag(NLM_F_DUMP);
        let sequence = self.ask(step, kind, flags, body)?;
        let mut objects = Vec::new();
        let mut torn = false;
        loop {
            let progress = self.hear(step, |datagram| {
                read_listing(datagram, sequence, &mut objects, &mut torn, &parse)
            })?;
            match progress {
                Progress::More => {}
                Progress::Finished(()) => return Ok((objects, torn)),
                Progress::Refused(refusal) => {
                    return Err(NetlinkError::refused(step(), refusal, None));
                }
                Progress::Malformed => return Err(NetlinkError::Malformed { step: step() }),
            }
        }
    }

    /// Sends a question and returns its sequence number.
    fn ask(
        &self,
        step: &dyn Fn() -> String,
        kind: u16,
        flags: u16,
        body: &impl Emitable,
    ) -> Result<u32, NetlinkError> {
        let mut request = Vec::with_capacity(64);
        append_request(&mut request, kind, flags, body);
        let sequence = self.next_sequence();
        number_requests(&mut request, || sequence);
        self.send(&request)
            .map_err(|failure| failure.during(step()))?;
        Ok(sequence)
    }

    fn hear<T>(
        &self,
        step: &dyn Fn() -> String,
        inspect: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, NetlinkError> {
        self.receive(inspect)
            .map_err(|failure| failure.during(step()))
    }
}

/// Reads one datagram of a listing.
fn read_listing<T>(
    datagram: &[u8],
    sequence: u32,
    objects: &mut Vec<T>,
    torn: &mut bool,
    parse: impl Fn(&[u8]) -> Parsed<T>,
) -> Progress<()> {
    for frame in Frames::new(datagram) {
        let Ok(frame) = frame else {
            return Progress::Malformed;
        };
        if frame.sequence != sequence {
            continue;
        }
        *torn |= frame.is_torn();
        match frame.reply() {
            Reply::Object(payload) => match parse(payload) {
                Ok(object) => objects.extend(object),
                Err(Malformed) => return Progress::Malformed,
            },
            Reply::Done => return Progress::Finished(()),
            Reply::Refused(refusal) => return Progress::Refused(refusal),
            Reply::Nothing => {}
            Reply::Acknowledged | Reply::Malformed => return Progress::Malformed,
        }
    }
    Progress::More
}
