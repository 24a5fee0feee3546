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
pub type Parsed<T> = Result<Option<T>, Malformed>;

/// A reply too short to hold what it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// How reading one datagram ended.
enum Progress<T> {
    More,
    Finished(T),
    Refused(Refusal),
    Malformed,
}

impl Socket {
    /// Asks for one object. `step` is made only for an error.
    pub fn query<T>(
        &self,
        step: &dyn Fn() -> String,
        kind: u16,
        body: &impl Emitable,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<T, NetlinkError> {
        let sequence = self.ask(step, kind, flag(NLM_F_REQUEST), body)?;
        loop {
            let heard = self.receive(|datagram| {
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
            });
            match heard.map_err(|failure| failure.during(step()))? {
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
    pub fn list<T>(
        &self,
        step: &dyn Fn() -> String,
        kind: u16,
        body: &impl Emitable,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<Vec<T>, NetlinkError> {
        until_whole(step, || self.list_once(step, kind, body, &parse))
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
            let heard = self.receive_part(|datagram| {
                read_listing(datagram, sequence, &mut objects, &mut torn, &parse)
            });
            match heard.map_err(|failure| failure.during(step()))? {
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
}

/// Repeats `attempt` until its listing is not torn.
fn until_whole<T>(
    step: &dyn Fn() -> String,
    mut attempt: impl FnMut() -> Result<(Vec<T>, bool), NetlinkError>,
) -> Result<Vec<T>, NetlinkError> {
    for _ in 0..MOST_ATTEMPTS {
        let (objects, torn) = attempt()?;
        if !torn {
            return Ok(objects);
        }
    }
    Err(NetlinkError::Interrupted {
        step: step(),
        attempts: MOST_ATTEMPTS,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: u16 = 3;
    const INTERRUPTED: u16 = 0x10;
    const OURS: u32 = 9;

    fn message(kind: u16, flags: u16, sequence: u32, payload: [u8; 4]) -> Vec<u8> {
        let mut bytes = 20u32.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes
    }

    /// Reads a datagram of objects that are one byte, of which zero is not asked for and 255 is
    /// malformed.
    fn read(datagram: &[u8]) -> (Progress<()>, Vec<u8>, bool) {
        let (mut objects, mut torn) = (Vec::new(), false);
        let parse = |payload: &[u8]| match payload[0] {
            0 => Ok(None),
            255 => Err(Malformed),
            object => Ok(Some(object)),
        };
        let progress = read_listing(datagram, OURS, &mut objects, &mut torn, parse);
        (progress, objects, torn)
    }

    #[test]
    fn objects_are_gathered_until_the_end() {
        let part = [message(20, 0, OURS, [1; 4]), message(20, 0, OURS, [0; 4])].concat();
        let (progress, objects, torn) = read(&part);
        assert!(matches!(progress, Progress::More));
        assert_eq!((objects, torn), (vec![1], false));
        let end = [message(20, 0, OURS, [2; 4]), message(DONE, 0, OURS, [0; 4])].concat();
        let (progress, objects, _) = read(&end);
        assert!(matches!(progress, Progress::Finished(())));
        assert_eq!(objects, [2]);
    }

    #[test]
    fn replies_to_something_older_are_passed_over() {
        let stale = [
            message(20, 0, OURS - 1, [1; 4]),
            message(DONE, 0, OURS - 1, [0; 4]),
        ]
        .concat();
        let (progress, objects, _) = read(&stale);
        assert!(matches!(progress, Progress::More));
        assert!(objects.is_empty());
    }

    #[test]
    fn an_interruption_is_noticed_also_at_the_end() {
        let object = [
            message(20, INTERRUPTED, OURS, [1; 4]),
            message(20, 0, OURS, [2; 4]),
        ];
        assert!(read(&object.concat()).2);
        assert!(read(&message(DONE, INTERRUPTED, OURS, [0; 4])).2);
    }

    #[test]
    fn errors_and_nonsense_end_the_listing() {
        let refused = message(DONE, 0, OURS, (-19i32).to_ne_bytes());
        assert!(matches!(read(&refused).0, Progress::Refused(_)));
        assert!(matches!(
            read(&message(20, 0, OURS, [255; 4])).0,
            Progress::Malformed
        ));
        assert!(matches!(read(&[1, 2, 3]).0, Progress::Malformed));
    }

    #[test]
    fn torn_listings_are_taken_again_but_not_for_ever() {
        let step = || "list links".to_owned();
        let mut attempts = 0;
        let mut torn_until = |whole: u32| {
            attempts = 0;
            until_whole(&step, || {
                attempts += 1;
                Ok((vec![attempts], attempts < whole))
            })
        };
        assert_eq!(torn_until(5).unwrap(), [5]);
        let error = torn_until(6).unwrap_err();
        assert_eq!(
            error.to_string(),
            "list links: the listing was interrupted by changes 5 times"
        );
        assert_eq!(attempts, 5);
    }
}
