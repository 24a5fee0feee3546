//! Splitting datagrams into netlink messages and telling what kind of reply each is.

use nix::errno::Errno;

use super::attribute::Attributes;

/// `struct nlmsghdr`: length, type, flags, sequence, port.
pub(super) const HEADER: usize = 16;

const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;

const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;

/// `NLMSGERR_ATTR_MSG`.
const EXPLANATION: u16 = 1;

/// One message of a datagram.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    pub sequence: u32,
    kind: u16,
    flags: u16,
    payload: &'a [u8],
}

/// The kernel's refusal: an errno and, from kernel 4.12 on, often a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The error number.
    pub errno: Errno,
    /// The sentence, from the extended acknowledgement.
    pub explanation: Option<String>,
}

/// What a message tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// An object that was asked for.
    Object(&'a [u8]),
    /// The request with this sequence number has been carried out.
    Acknowledged,
    /// The request, or the rest of the listing, was refused.
    Refused(Refusal),
    /// A listing is complete.
    Done,
    /// Nothing to act on.
    Nothing,
    /// Not a message of netlink's format.
    Malformed,
}

/// The messages of a datagram; a malformed header ends it with an error.
#[derive(Debug)]
pub struct Frames<'a>(&'a [u8]);

/// The bytes are no netlink message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl<'a> Frames<'a> {
    /// The messages of `datagram`.
    pub fn new(datagram: &'a [u8]) -> Self {
        Self(datagram)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let parsed = Frame::parse(self.0);
        self.0 = match &parsed {
            Some(frame) => {
                let whole = HEADER + frame.payload.len();
                self.0.get(whole.next_multiple_of(4)..).unwrap_or_default()
            }
            None => &[],
        };
        Some(parsed.ok_or(Broken))
    }
}

impl<'a> Frame<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        Some(Self {
            kind: u16_at(bytes, 4)?,
            flags: u16_at(bytes, 6)?,
            sequence: u32_at(bytes, 8)?,
            payload: bytes.get(HEADER..length)?,
        })
    }

    /// Whether something changed while the kernel was listing, so that entries may be missing.
    pub fn is_torn(&self) -> bool {
        self.flags & NLM_F_DUMP_INTR != 0
    }

    pub fn reply(&self) -> Reply<'a> {
        match self.kind {
            NLMSG_NOOP => Reply::Nothing,
            NLMSG_ERROR => match self.refusal(self.explanations_of_error()) {
                Some(Ok(())) => Reply::Acknowledged,
                Some(Err(refusal)) => Reply::Refused(refusal),
                None => Reply::Malformed,
            },
            // The kernel may end a listing with a plain, empty DONE.
            NLMSG_DONE if self.payload.is_empty() => Reply::Done,
            NLMSG_DONE => match self.refusal(self.payload.get(4..)) {
                Some(Ok(())) => Reply::Done,
                Some(Err(refusal)) => Reply::Refused(refusal),
                None => Reply::Malformed,
            },
            NLMSG_OVERRUN => Reply::Refused(Refusal {
                errno: Errno::ENOBUFS,
                explanation: None,
            }),
            _ => Reply::Object(self.payload),
        }
    }

    /// The attributes behind `struct nlmsgerr`, which repeats the request: only its header when
    /// the capped flag is set, all of it otherwise.
    fn explanations_of_error(&self) -> Option<&'a [u8]> {
        let repeated = if self.flags & NLM_F_CAPPED == 0 {
            usize::try_from(u32_at(self.payload, 4)?)
                .ok()?
                .next_multiple_of(4)
        } else {
            HEADER
        };
        self.payload.get(4usize.checked_add(repeated)?..)
    }

    /// Reads the code in front and the sentence in `attributes`; a positive length of listed
    /// bytes counts as success as zero does.
    fn refusal(&self, attributes: Option<&'a [u8]>) -> Option<Result<(), Refusal>> {
        let code = i32::from_ne_bytes(*self.payload.first_chunk()?);
        if code >= 0 {
            return Some(Ok(()));
        }
        let explanation = attributes
            .filter(|_| self.flags & NLM_F_ACK_TLVS != 0)
            .and_then(|bytes| Attributes::new(bytes).find(|found| found.kind == EXPLANATION))
            .map(|found| found.text())
            .filter(|text| !text.is_empty());
        Some(Err(Refusal {
            errno: Errno::from_raw(code.saturating_neg()),
            explanation,
        }))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|found| u16::from_ne_bytes(*found))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|found| u32::from_ne_bytes(*found))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with the header fields that matter here.
    fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(4 + value.len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn only(datagram: &[u8]) -> Reply<'_> {
        let mut frames = Frames::new(datagram);
        let reply = frames.next().unwrap().unwrap().reply();
        assert!(frames.next().is_none());
        reply
    }

    #[test]
    fn an_error_code_of_zero_is_an_acknowledgement() {
        let payload = [[0u8; 4].as_slice(), &[0; 16]].concat();
        assert_eq!(
            only(&message(NLMSG_ERROR, NLM_F_CAPPED, 1, &payload)),
            Reply::Acknowledged
        );
    }

    #[test]
    fn the_explanation_follows_the_header_of_a_capped_error() {
        let payload = [
            (-95i32).to_ne_bytes().to_vec(),
            message(16, 5, 1, &[]),
            attribute(2, &[9, 0, 0, 0]),
            attribute(EXPLANATION, b"Unknown device type\0"),
        ]
        .concat();
        let flags = NLM_F_CAPPED | NLM_F_ACK_TLVS;
        assert_eq!(
            only(&message(NLMSG_ERROR, flags, 1, &payload)),
            Reply::Refused(Refusal {
                errno: Errno::EOPNOTSUPP,
                explanation: Some("Unknown device type".to_owned()),
            })
        );
    }

    #[test]
    fn the_explanation_follows_the_whole_request_of_an_uncapped_error() {
        let payload = [
            (-22i32).to_ne_bytes().to_vec(),
            message(16, 5, 1, &[0xaa; 32]),
            attribute(EXPLANATION, b"mtu less than device minimum\0"),
        ]
        .concat();
        let Reply::Refused(refusal) = only(&message(NLMSG_ERROR, NLM_F_ACK_TLVS, 1, &payload))
        else {
            panic!("no refusal");
        };
        assert_eq!(
            refusal.explanation.as_deref(),
            Some("mtu less than device minimum")
        );
    }

    #[test]
    fn without_the_flag_there_is_no_explanation_to_read() {
        let payload = [(-17i32).to_ne_bytes().to_vec(), message(16, 5, 1, &[1; 8])].concat();
        assert_eq!(
            only(&message(NLMSG_ERROR, 0, 1, &payload)),
            Reply::Refused(Refusal {
                errno: Errno::EEXIST,
                explanation: None
            })
        );
    }

    #[test]
    fn the_end_of_a_listing_can_be_an_error() {
        let payload = [
            (-19i32).to_ne_bytes().to_vec(),
            attribute(EXPLANATION, b"no such link\0"),
        ]
        .concat();
        assert_eq!(
            only(&message(NLMSG_DONE, NLM_F_ACK_TLVS, 1, &payload)),
            Reply::Refused(Refusal {
                errno: Errno::ENODEV,
                explanation: Some("no such link".to_owned()),
            })
        );
        assert_eq!(
            only(&message(NLMSG_DONE, 0, 1, &0i32.to_ne_bytes())),
            Reply::Done
        );
        assert_eq!(only(&message(NLMSG_DONE, 0, 1, &[])), Reply::Done);
    }

    #[test]
    fn messages_are_walked_over_their_padding() {
        let datagram = [
            message(20, 0, 1, &[1, 2, 3]),
            message(20, NLM_F_DUMP_INTR, 2, &[4; 4]),
        ]
        .concat();
        let frames: Vec<_> = Frames::new(&datagram).map(Result::unwrap).collect();
        assert_eq!(frames.len(), 2);
        assert_eq!((frames[0].sequence, frames[0].is_torn()), (1, false));
        assert_eq!(frames[0].reply(), Reply::Object(&[1, 2, 3]));
        assert_eq!((frames[1].sequence, frames[1].is_torn()), (2, true));
    }

    #[test]
    fn broken_lengths_end_the_datagram_with_an_error() {
        let mut cut = message(20, 0, 1, &[0; 8]);
        cut.truncate(20);
        for datagram in [&cut[..], &[0; 16], &[1, 0, 0]] {
            let frames: Vec<_> = Frames::new(datagram).collect();
            assert_eq!(frames.len(), 1);
            assert_eq!(frames[0].err(), Some(Broken));
        }
    }

    #[test]
    fn short_errors_are_malformed_not_a_panic() {
        assert_eq!(only(&message(NLMSG_ERROR, 0, 1, &[1])), Reply::Malformed);
        let payload = [(-1i32).to_ne_bytes(), [0xff; 4]].concat();
        assert_eq!(
            only(&message(NLMSG_ERROR, NLM_F_ACK_TLVS, 1, &payload)),
            Reply::Refused(Refusal {
                errno: Errno::EPERM,
                explanation: None
            })
        );
    }
}
