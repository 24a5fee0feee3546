//! Changes to be made, as values.

use netlink_packet_core::Emitable;
use nix::errno::Errno;
use nix::libc::{NLM_F_ACK, NLM_F_REQUEST};

use super::error::InvalidRequest;
use super::reply::HEADER;

/// The flags of every change: a request, to be acknowledged.
pub(super) const CHANGE: u16 = flag(NLM_F_REQUEST) | flag(NLM_F_ACK);

/// A flag of `nlmsg_flags`, which is 16 bits wide where the C library says `int`.
///
/// # Panics
///
/// If the value has more than 16 bits; callers use it in constants, where that fails to compile.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked in const"
)]
pub const fn flag(value: nix::libc::c_int) -> u16 {
    assert!(value >= 0 && value <= 0xffff);
    value as u16
}

/// One change, to be sent by [`RtnlSocket::execute`](super::RtnlSocket::execute) or in a
/// [`Batch`](super::Batch), with the words that name it in errors.
///
/// A message that mentions a file descriptor (of a network namespace) holds its number only: the
/// file must stay open until the message has been sent.
#[derive(Debug, Clone)]
pub struct Message {
    meta: RequestMeta,
    /// Complete netlink messages, one behind the other; sequence numbers are filled in on sending.
    requests: Result<Vec<u8>, InvalidRequest>,
}

/// What has to be known of a request until it is answered.
#[derive(Debug, Clone)]
pub(crate) struct RequestMeta {
    pub(crate) operation: String,
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Change,
    /// A change that this error says is not needed.
    ChangeUnless(Errno),
    Get,
}

impl RequestMeta {
    pub(crate) fn is_get(&self) -> bool {
        self.role == Role::Get
    }

    /// Whether this error is as good as an acknowledgement.
    pub(crate) fn tolerates(&self, errno: Errno) -> bool {
        self.role == Role::ChangeUnless(errno)
    }
}

impl Message {
    /// A message of type `kind` (`RTM_*`) with `flags` besides request and acknowledgement.
    pub fn new(operation: String, kind: u16, flags: u16, body: &impl Emitable) -> Self {
        let mut requests = Vec::new();
        append_request(&mut requests, kind, CHANGE | flags, body);
        let role = Role::Change;
        Self {
            meta: RequestMeta { operation, role },
            requests: Ok(requests),
        }
    }

    /// A request for one object, of type `kind`.
    pub(crate) fn get(operation: String, kind: u16, body: &impl Emitable) -> Self {
        let mut requests = Vec::new();
        append_request(&mut requests, kind, flag(NLM_F_REQUEST), body);
        let role = Role::Get;
        Self {
            meta: RequestMeta { operation, role },
            requests: Ok(requests),
        }
    }

    /// A change that takes two requests; the kernel carries out the second also when the first
    /// failed, and the first failure is reported.
    pub(crate) fn followed_by(mut self, kind: u16, flags: u16, body: &impl Emitable) -> Self {
        if let Ok(requests) = &mut self.requests {
            append_request(requests, kind, CHANGE | flags, body);
        }
        self
    }

    /// A change that no request can make; sending it fails with the reason.
    pub(crate) fn invalid(operation: String, reason: InvalidRequest) -> Self {
        let role = Role::Change;
        Self {
            meta: RequestMeta { operation, role },
            requests: Err(reason),
        }
    }

    /// The same change, which also succeeds when what it makes is there already.
    #[must_use]
    pub fn unless_made(mut self) -> Self {
        self.meta.role = Role::ChangeUnless(Errno::EEXIST);
        self
    }

    /// The same change, which also succeeds when the link it is about is gone.
    #[must_use]
    pub fn unless_gone(mut self) -> Self {
        self.meta.role = Role::ChangeUnless(Errno::ENODEV);
        self
    }

    /// What the message does, for example `create bridge "cni0"`.
    pub fn operation(&self) -> &str {
        &self.meta.operation
    }

    pub(crate) fn into_parts(self) -> (RequestMeta, Result<Vec<u8>, InvalidRequest>) {
        (self.meta, self.requests)
    }
}

/// Appends one netlink message, its sequence number and port left zero.
pub fn append_request(bytes: &mut Vec<u8>, kind: u16, flags: u16, body: &impl Emitable) {
    let start = bytes.len();
    let length = HEADER + body.buffer_len();
    // Requests are far below 4 GiB; the kernel would refuse the saturated length.
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.resize(start + length, 0);
    if let Some(target) = bytes.get_mut(start + HEADER..) {
        body.emit(target);
    }
    bytes.resize(start + length.next_multiple_of(4), 0);
}

/// Walks complete netlink messages and gives each the next sequence number; returns how many
/// there are.
pub fn number_requests(mut bytes: &mut [u8], mut next: impl FnMut() -> u32) -> usize {
    let mut count = 0;
    loop {
        let Some(length) = bytes.first_chunk().map(|found| u32::from_ne_bytes(*found)) else {
            return count;
        };
        let Some(sequence) = bytes.get_mut(8..12) else {
            return count;
        };
        sequence.copy_from_slice(&next().to_ne_bytes());
        count += 1;
        bytes = bytes.get_mut(whole(length)..).unwrap_or_default();
    }
}

/// Removes `NLM_F_ACK` from the first `count` netlink messages.
pub(crate) fn clear_ack(mut bytes: &mut [u8], count: usize) {
    for _ in 0..count {
        let Some(length) = bytes.first_chunk().map(|found| u32::from_ne_bytes(*found)) else {
            return;
        };
        if let Some(flags) = bytes.get_mut(6..).and_then(|rest| rest.first_chunk_mut()) {
            *flags = (u16::from_ne_bytes(*flags) & !flag(NLM_F_ACK)).to_ne_bytes();
        }
        bytes = bytes.get_mut(whole(length)..).unwrap_or_default();
    }
}

/// The room a netlink message of this length takes, with its padding.
fn whole(length: u32) -> usize {
    usize::try_from(length)
        .unwrap_or(usize::MAX)
        .next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body of some length.
    struct Body(usize);

    impl Emitable for Body {
        fn buffer_len(&self) -> usize {
            self.0
        }

        fn emit(&self, buffer: &mut [u8]) {
            buffer.fill(0xee);
        }
    }

    #[test]
    fn requests_are_padded_and_numbered_one_by_one() {
        let message = Message::new("do".into(), 16, 0x600, &Body(5)).followed_by(19, 0, &Body(8));
        let (_, requests) = message.into_parts();
        let mut bytes = requests.unwrap();
        assert_eq!(bytes.len(), 24 + 24);
        let mut sequence = 40;
        let count = number_requests(&mut bytes, || {
            sequence += 1;
            sequence
        });
        assert_eq!(count, 2);
        assert_eq!(bytes[0..4], 21u32.to_ne_bytes());
        assert_eq!(bytes[4..6], 16u16.to_ne_bytes());
        assert_eq!(bytes[6..8], 0x605u16.to_ne_bytes());
        assert_eq!(bytes[8..12], 41u32.to_ne_bytes());
        assert_eq!(bytes[16..24], [0xee, 0xee, 0xee, 0xee, 0xee, 0, 0, 0]);
        assert_eq!(bytes[28..30], 19u16.to_ne_bytes()[..]);
        assert_eq!(bytes[32..36], 42u32.to_ne_bytes());
    }
}
