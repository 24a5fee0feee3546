//! Carrying out transactions.

use std::ops::ControlFlow::{Break, Continue};

use nix::errno::Errno;
use nix::libc::{NLM_F_ACK, NLM_F_REQUEST};

use super::constants::{BATCH_BEGIN, BATCH_END, BATCH_RESOURCE};
use super::transaction::Transaction;
use crate::nfnetlink::request_with_resource;
use ferrule_kernel::netlink::{
    InvalidRequest, KernelError, NetlinkError, Reply, ReplySize, RequestError, Socket,
    append_request, flag, number_requests,
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

/// Sends a transaction in one system call and reads the replies.
pub(super) fn send(
    socket: &Socket,
    transaction: &Transaction,
    mode: CommitMode,
) -> Result<(), NetlinkError> {
    if let Some((operation, fault)) = &transaction.fault {
        let reason = InvalidRequest::Object(fault.to_string());
        return Err(RequestError::Invalid(reason).during(operation));
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
    let count = transaction.requests.len();
    let transact = || {
        if bytes.len() > USUAL_ROOM {
            socket.make_room(2 * bytes.len())?;
        }
        socket.send(&bytes)?;
        collect(socket, begin.unwrap_or_default(), count)
    };
    match transact().map_err(|error| error.during(&first.operation))? {
        None => {
            if mode == CommitMode::Commit && transaction.deletes() {
                socket.keep_open();
            }
            Ok(())
        }
        // The mark in front stands for the transaction as a whole.
        Some((0, error)) => {
            let operation = match count {
                1 => first.operation.clone(),
                _ => format!("{} and {} more changes", first.operation, count - 1),
            };
            Err(RequestError::Refused(error).during(operation))
        }
        Some((position, error)) => {
            let position = position - 1;
            let request = transaction.requests.get(position).unwrap_or(first);
            let error = RequestError::Refused(error).during(&request.operation);
            Err(error.of_message(position))
        }
    }
}

/// Puts the messages between the marks of a batch. Only the last one is to be acknowledged:
/// errors are reported anyway, and hundreds of acknowledgements would overflow the receive buffer.
fn assemble(transaction: &Transaction, mode: CommitMode) -> Vec<u8> {
    let mark = |bytes: &mut Vec<u8>, kind| {
        let body = request_with_resource(0, BATCH_RESOURCE);
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

/// Reads replies until the last message is acknowledged or the transaction fails as a whole;
/// returns the first error with its position behind the mark in front, which has position 0.
///
/// When very many messages fail the replies overflow the receive buffer (ENOBUFS). The first
/// ones, and with them the cause, are in it.
fn collect(
    socket: &Socket,
    begin: u32,
    count: usize,
) -> Result<Option<(usize, KernelError)>, RequestError> {
    let mut failure = None;
    let mut has_overflowed = false;
    loop {
        let outcome = socket.collect(ReplySize::Object, begin, count + 1, |position, reply| {
            match reply {
                Reply::Error(error) => _ = failure.get_or_insert((position, error)),
                Reply::Acknowledged => {}
                Reply::Object(_) | Reply::Done | Reply::Interrupted => return Continue(()),
            }
            let is_enough = has_overflowed && failure.is_some();
            if position == 0 || position == count || is_enough {
                Break(Ok(()))
            } else {
                Continue(())
            }
        });
        match outcome {
            Ok(()) => return Ok(failure),
            Err(error) if !has_overflowed && is_overflow(&error) => {
                if failure.is_some() {
                    return Ok(failure);
                }
                has_overflowed = true;
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_overflow(error: &RequestError) -> bool {
    matches!(error, RequestError::Socket { source, .. }
        if source.raw_os_error() == Some(Errno::ENOBUFS as i32))
}
