//! Carrying out transactions.

use nix::errno::Errno;
use nix::libc::{NLM_F_ACK, NLM_F_REQUEST};

use super::transaction::Transaction;
use super::wire::{BATCH_BEGIN, BATCH_END, BATCH_RESOURCE};
use crate::nfnetlink::Body;
use ferrule_kernel::netlink::{
    Frames, InvalidRequest, NetlinkError, Refusal, Reply, Socket, SocketFailure, append_request,
    flag, number_requests,
};

/// What goes without enlarging the socket's send buffer, which has 208 KiB by default.
const USUAL_ROOM: usize = 128 * 1024;

/// Where the flags are in `struct nlmsghdr`.
const FLAGS: std::ops::Range<usize> = 6..8;

/// What the kernel does with a transaction that it accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitMode {
    Commit,
    /// The kernel checks the whole transaction, then aborts it.
    Check,
}

/// What the kernel said to a transaction.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Accepted,
    /// A message was refused: the first one, by position.
    Refused(usize, Refusal),
    /// The transaction was refused as a whole.
    RefusedWhole(Refusal),
    Malformed,
}

/// How far the replies have come.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    More,
    Complete,
    RefusedWhole(Refusal),
    Malformed,
}

/// Sends a transaction in one system call and judges the replies.
pub(super) fn send(
    socket: &Socket,
    transaction: &Transaction,
    mode: CommitMode,
) -> Result<(), NetlinkError> {
    if let Some((step, fault)) = &transaction.fault {
        return Err(NetlinkError::Invalid {
            step: step.clone(),
            reason: InvalidRequest::Object(fault.to_string()),
            message: None,
        });
    }
    let Some(first) = transaction.requests.first() else {
        return Ok(());
    };
    let mut bytes = assemble(transaction, mode);
    let mut begin = None;
    number_requests(&mut bytes, || {
        let sequence = socket.next_sequence();
        begin.get_or_insert(sequence);
        sequence
    });

    let failed = |failure: SocketFailure| failure.during(first.step.clone());
    if bytes.len() > USUAL_ROOM {
        socket.make_room(2 * bytes.len()).map_err(failed)?;
    }
    socket.send(&bytes).map_err(failed)?;
    let count = transaction.requests.len();
    let step_of = |position: usize| {
        transaction
            .requests
            .get(position)
            .map_or_else(String::new, |one| one.step.clone())
    };
    match collect(socket, begin.unwrap_or_default(), count).map_err(failed)? {
        Outcome::Accepted => Ok(()),
        Outcome::Refused(position, refusal) => Err(NetlinkError::refused(
            step_of(position),
            refusal,
            Some(position),
        )),
        Outcome::RefusedWhole(refusal) => {
            let step = match count {
                1 => first.step.clone(),
                _ => format!("{} and {} more changes", first.step, count - 1),
            };
            Err(NetlinkError::refused(step, refusal, None))
        }
        Outcome::Malformed => Err(NetlinkError::Malformed {
            step: first.step.clone(),
        }),
    }
}

/// Puts the messages between the marks of a batch. Only the last one is to be acknowledged:
/// refusals are reported anyway, and hundreds of acknowledgements would overflow the receive
/// buffer.
fn assemble(transaction: &Transaction, mode: CommitMode) -> Vec<u8> {
    let mark = |bytes: &mut Vec<u8>, kind| {
        let body = Body::with_resource(0, BATCH_RESOURCE);
        append_request(bytes, kind, flag(NLM_F_REQUEST), &body);
    };
    let mut bytes = Vec::new();
    mark(&mut bytes, BATCH_BEGIN);
    let mut last = 0;
    for request in &transaction.requests {
        last = bytes.len();
        bytes.extend(&request.bytes);
    }
    if let Some(flags) = bytes
        .get_mut(last..)
        .and_then(|message| message.get_mut(FLAGS))
        && let Some(found) = flags.first_chunk_mut()
    {
        *found = (u16::from_ne_bytes(*found) | flag(NLM_F_ACK)).to_ne_bytes();
    }
    // Without this mark the kernel checks everything and then aborts (nfnetlink_rcv_batch).
    if mode == CommitMode::Commit {
        mark(&mut bytes, BATCH_END);
    }
    bytes
}

/// Reads replies until the last message is acknowledged or the whole is refused.
///
/// When very many messages are refused the replies overflow the receive buffer (ENOBUFS). The
/// first ones, and with them the cause, are in it.
fn collect(socket: &Socket, begin: u32, count: usize) -> Result<Outcome, SocketFailure> {
    let mut refused = None;
    let mut overflow = false;
    loop {
        match socket.receive(|datagram| read(datagram, begin, count, &mut refused)) {
            Ok(Progress::More) if !overflow || refused.is_none() => {}
            Ok(Progress::More | Progress::Complete) => {
                return Ok(match refused {
                    Some((position, refusal)) => Outcome::Refused(position, refusal),
                    None => Outcome::Accepted,
                });
            }
            Ok(Progress::RefusedWhole(refusal)) => return Ok(Outcome::RefusedWhole(refusal)),
            Ok(Progress::Malformed) => return Ok(Outcome::Malformed),
            Err(SocketFailure::Call { source, .. })
                if source.raw_os_error() == Some(Errno::ENOBUFS as i32) && !overflow =>
            {
                overflow = true;
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Reads one datagram and keeps the first refusal.
fn read(
    datagram: &[u8],
    begin: u32,
    count: usize,
    refused: &mut Option<(usize, Refusal)>,
) -> Progress {
    for frame in Frames::new(datagram) {
        let Ok(frame) = frame else {
            return Progress::Malformed;
        };
        // Place 0 is the mark in front; replies to something older are far beyond `count`.
        let place = usize::try_from(frame.sequence.wrapping_sub(begin)).unwrap_or(usize::MAX);
        if place > count {
            continue;
        }
        match (frame.reply(), place.checked_sub(1)) {
            (Reply::Refused(refusal), None) => return Progress::RefusedWhole(refusal),
            (Reply::Refused(refusal), Some(position)) => {
                refused.get_or_insert((position, refusal));
            }
            (Reply::Malformed, _) => return Progress::Malformed,
            (Reply::Acknowledged, _) => {}
            (Reply::Object(_) | Reply::Done | Reply::Nothing, _) => continue,
        }
        if place == count {
            return Progress::Complete;
        }
    }
    Progress::More
}
