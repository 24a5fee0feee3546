//! Splitting datagrams into netlink messages and telling what kind of reply each is.

use ferrule_file::errno_text;
use nix::errno::Errno;
use thiserror::Error;

use super::attribute::{Attributes, u16_at, u32_at};

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
const EXTENDED_ACK: u16 = 1;

/// An object in a reply: `None` when it is not one of those asked for.
pub type Parsed<T> = Result<Option<T>, Malformed>;

/// Bytes that do not have the format they must have, or too few of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// An errno of the kernel and, from kernel 4.12 on, often a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{}", errno_text(*errno), explained(explanation.as_deref()))]
pub struct KernelError {
    /// The error number.
    pub errno: Errno,
    /// The sentence, from the extended acknowledgement.
    pub explanation: Option<String>,
}

fn explained(explanation: Option<&str>) -> String {
    explanation.map_or_else(String::new, |text| format!(": {text}"))
}

/// What a message of the kernel says.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// An object that was asked for.
    Object(&'a [u8]),
    /// The request has been carried out.
    Acknowledged,
    /// The request, or the rest of the dump, failed.
    Error(KernelError),
    /// The dump is complete.
    Done,
    /// Something changed during the dump, so objects may be missing. The dump goes on.
    Interrupted,
}

/// The messages of a datagram; ends with an error at a malformed header.
#[derive(Debug)]
pub(super) struct ReplyMessages<'a>(&'a [u8]);

/// One message of a datagram.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplyMessage<'a> {
    pub(super) sequence: u32,
    pub(super) kind: u16,
    flags: u16,
    pub(super) payload: &'a [u8],
}

impl<'a> ReplyMessages<'a> {
    pub(super) fn new(datagram: &'a [u8]) -> Self {
        Self(datagram)
    }
}

impl<'a> Iterator for ReplyMessages<'a> {
    type Item = Result<ReplyMessage<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let parsed = ReplyMessage::parse(self.0);
        self.0 = match &parsed {
            Some(message) => {
                let whole = HEADER + message.payload.len();
                self.0.get(whole.next_multiple_of(4)..).unwrap_or_default()
            }
            None => &[],
        };
        Some(parsed.ok_or(Malformed))
    }
}

impl<'a> ReplyMessage<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        Some(Self {
            kind: u16_at(bytes, 4)?,
            flags: u16_at(bytes, 6)?,
            sequence: u32_at(bytes, 8)?,
            payload: bytes.get(HEADER..length)?,
        })
    }

    /// Whether something changed during the dump; see [`Reply::Interrupted`].
    pub(super) fn is_interrupted(&self) -> bool {
        self.flags & NLM_F_DUMP_INTR != 0
    }

    /// `None` for a message that says nothing.
    pub(super) fn reply(&self) -> Result<Option<Reply<'a>>, Malformed> {
        Ok(Some(match self.kind {
            NLMSG_NOOP => return Ok(None),
            NLMSG_ERROR => match self.error(self.attributes_of_error())? {
                Some(error) => Reply::Error(error),
                None => Reply::Acknowledged,
            },
            // The kernel may end a dump with a plain, empty DONE.
            NLMSG_DONE if self.payload.is_empty() => Reply::Done,
            NLMSG_DONE => match self.error(self.payload.get(4..))? {
                Some(error) => Reply::Error(error),
                None => Reply::Done,
            },
            NLMSG_OVERRUN => Reply::Error(KernelError {
                errno: Errno::ENOBUFS,
                explanation: None,
            }),
            _ => Reply::Object(self.payload),
        }))
    }

    /// The attributes behind `struct nlmsgerr`, which repeats the request: only its header when
    /// the capped flag is set, all of it otherwise.
    fn attributes_of_error(&self) -> Option<&'a [u8]> {
        let repeated = if self.flags & NLM_F_CAPPED == 0 {
            usize::try_from(u32_at(self.payload, 4)?)
                .ok()?
                .next_multiple_of(4)
        } else {
            HEADER
        };
        self.payload.get(4usize.checked_add(repeated)?..)
    }

    /// Reads the code in front and the sentence in `attributes`. A positive code is the length of
    /// what was dumped: success, as zero is.
    fn error(&self, attributes: Option<&'a [u8]>) -> Result<Option<KernelError>, Malformed> {
        let code = self.payload.first_chunk().ok_or(Malformed)?;
        let code = i32::from_ne_bytes(*code);
        if code >= 0 {
            return Ok(None);
        }
        let explanation = attributes
            .filter(|_| self.flags & NLM_F_ACK_TLVS != 0)
            .and_then(|bytes| Attributes::new(bytes).text(EXTENDED_ACK))
            .filter(|text| !text.is_empty());
        Ok(Some(KernelError {
            errno: Errno::from_raw(code.saturating_neg()),
            explanation,
        }))
    }
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
        let mut messages = ReplyMessages::new(datagram);
        let reply = messages.next().unwrap().unwrap().reply();
        assert!(messages.next().is_none());
        reply.unwrap().unwrap()
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
            attribute(EXTENDED_ACK, b"Unknown device type\0"),
        ]
        .concat();
        let flags = NLM_F_CAPPED | NLM_F_ACK_TLVS;
        assert_eq!(
            only(&message(NLMSG_ERROR, flags, 1, &payload)),
            Reply::Error(KernelError {
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
            attribute(EXTENDED_ACK, b"mtu less than device minimum\0"),
        ]
        .concat();
        let Reply::Error(error) = only(&message(NLMSG_ERROR, NLM_F_ACK_TLVS, 1, &payload)) else {
            panic!("no error");
        };
        assert_eq!(
            error.explanation.as_deref(),
            Some("mtu less than device minimum")
        );
    }

    #[test]
    fn without_the_flag_there_is_no_explanation_to_read() {
        let payload = [(-17i32).to_ne_bytes().to_vec(), message(16, 5, 1, &[1; 8])].concat();
        assert_eq!(
            only(&message(NLMSG_ERROR, 0, 1, &payload)),
            Reply::Error(KernelError {
                errno: Errno::EEXIST,
                explanation: None
            })
        );
    }

    #[test]
    fn the_end_of_a_dump_can_be_an_error() {
        let payload = [
            (-19i32).to_ne_bytes().to_vec(),
            attribute(EXTENDED_ACK, b"no such link\0"),
        ]
        .concat();
        assert_eq!(
            only(&message(NLMSG_DONE, NLM_F_ACK_TLVS, 1, &payload)),
            Reply::Error(KernelError {
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
        let messages: Vec<_> = ReplyMessages::new(&datagram).map(Result::unwrap).collect();
        assert_eq!(messages.len(), 2);
        assert_eq!(
            (messages[0].sequence, messages[0].is_interrupted()),
            (1, false)
        );
        assert_eq!(messages[0].reply(), Ok(Some(Reply::Object(&[1, 2, 3]))));
        assert_eq!(
            (messages[1].sequence, messages[1].is_interrupted()),
            (2, true)
        );
    }

    #[test]
    fn broken_lengths_end_the_datagram_with_an_error() {
        let mut cut = message(20, 0, 1, &[0; 8]);
        cut.truncate(20);
        for datagram in [&cut[..], &[0; 16], &[1, 0, 0]] {
            let messages: Vec<_> = ReplyMessages::new(datagram).collect();
            assert_eq!(messages.len(), 1);
            assert_eq!(messages[0].err(), Some(Malformed));
        }
    }

    #[test]
    fn short_errors_are_malformed_not_a_panic() {
        let short = message(NLMSG_ERROR, 0, 1, &[1]);
        let short = ReplyMessages::new(&short).next().unwrap().unwrap();
        assert_eq!(short.reply(), Err(Malformed));
        let payload = [(-1i32).to_ne_bytes(), [0xff; 4]].concat();
        assert_eq!(
            only(&message(NLMSG_ERROR, NLM_F_ACK_TLVS, 1, &payload)),
            Reply::Error(KernelError {
                errno: Errno::EPERM,
                explanation: None
            })
        );
    }
}
