//! Changes that are over for everybody before the kernel is done with them.

use std::io;
use std::ops::ControlFlow::{self, Break, Continue};

use nix::errno::Errno;
use nix::sys::wait::waitpid;

use super::message::{Message, number_requests};
use super::orphan::Permit;
use super::reply::{Reply, ReplyMessages};
use super::socket::{ReplySize, Socket};
use super::{NetlinkError, RequestError, RtnlSocket};
use crate::syscall::{ChildWork, in_child};

/// Looks at a notification, its type (`RTM_*`) and its body; returns whether all is over.
pub(crate) type Notifications<'a> = &'a mut dyn FnMut(u16, &[u8]) -> bool;

/// How long the kernel may take to free what it has deleted: a few grace periods. In milliseconds.
const FREEING_TIME: i32 = 100;

impl Socket {
    /// Has a child process keep the socket open for a moment, so that closing it does not wait until
    /// the kernel has freed what was deleted. Where there can be no child, closing waits.
    pub fn keep_open(&self) {
        if !self.is_kept.replace(true)
            && let Some(permit) = Permit::get()
            && let Ok(child) = in_child(self.fd(), ChildWork::Keep(FREEING_TIME))
        {
            permit.used_by(child);
        }
    }
}

impl RtnlSocket {
    /// As [`RtnlSocket::execute`], but returns as soon as the notifications to `group` (`RTNLGRP_*`)
    /// say that the change is over.
    ///
    /// A system call cannot be left half-way, so a child process sends the request and stays in the
    /// kernel until its end. Where a child may not outlive this process, or cannot be started, the
    /// acknowledgement is waited for.
    pub(crate) fn execute_until(
        &self,
        message: Message,
        group: u32,
        is_over: Notifications<'_>,
    ) -> Result<(), NetlinkError> {
        let Some(permit) = Permit::get() else {
            return self.execute(message);
        };
        if self.socket.join(group).is_err() {
            return self.execute(message);
        }
        let outcome = self.send_and_watch(message, &permit, is_over);
        // What is not left here would be taken for replies later.
        let left = self.socket.leave(group);
        outcome.and(left.map_err(|source| {
            let action = "leave multicast group";
            RequestError::Socket { action, source }.during("talk to the kernel")
        }))
    }

    fn send_and_watch(
        &self,
        message: Message,
        permit: &Permit,
        is_over: Notifications<'_>,
    ) -> Result<(), NetlinkError> {
        let again = message.clone();
        let (meta, requests) = message.into_parts();
        let Ok(mut request) = requests else {
            return self.execute(again);
        };
        let mut sequence = 0;
        number_requests(&mut request, || {
            sequence = self.socket.next_sequence();
            sequence
        });
        let Ok(child) = in_child(self.socket.fd(), ChildWork::Send(&request)) else {
            return self.execute(again);
        };
        permit.used_by(child);
        match watch(&self.socket, sequence, is_over) {
            Ok(End::Notified) => Ok(()),
            Ok(End::Answered(outcome)) => {
                // The child has nothing left to do.
                let _ = waitpid(child, None);
                outcome.map_err(|error| error.during(meta.operation))
            }
            Err(error) => Err(error.during(meta.operation)),
        }
    }
}

/// How a change ended.
enum End {
    /// Notifications said so.
    Notified,
    /// The kernel acknowledged or refused it.
    Answered(Result<(), RequestError>),
}

/// Receives until the notifications, or the answer to the request of this number, say that it is over.
fn watch(socket: &Socket, sequence: u32, is_over: Notifications<'_>) -> Result<End, RequestError> {
    loop {
        let read = |datagram: &[u8]| read(datagram, sequence, is_over);
        match socket.receive(ReplySize::Object, read) {
            Ok(Break(end)) => return end,
            Ok(Continue(())) => {}
            // Notifications were lost: there were too many. The answer is not.
            Err(RequestError::Socket { source, .. }) if is_overrun(&source) => {}
            Err(error) => return Err(error),
        }
    }
}

fn read(
    datagram: &[u8],
    sequence: u32,
    is_over: Notifications<'_>,
) -> ControlFlow<Result<End, RequestError>> {
    for message in ReplyMessages::new(datagram) {
        let Ok(message) = message else {
            return Break(Err(RequestError::Malformed));
        };
        match message.reply() {
            Ok(Some(Reply::Acknowledged)) if message.sequence == sequence => {
                return Break(Ok(End::Answered(Ok(()))));
            }
            Ok(Some(Reply::Error(error))) if message.sequence == sequence => {
                return Break(Ok(End::Answered(Err(RequestError::Refused(error)))));
            }
            Ok(Some(Reply::Object(body))) if is_over(message.kind, body) => {
                return Break(Ok(End::Notified));
            }
            Ok(_) => {}
            Err(malformed) => return Break(Err(malformed.into())),
        }
    }
    Continue(())
}

fn is_overrun(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENOBUFS as i32)
}
