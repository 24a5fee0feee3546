//! Several changes in one system call.

use std::ops::ControlFlow::{Break, Continue};

use super::error::{NetlinkError, RequestError};
use super::message::{Message, RequestMeta, clear_ack, number_requests};
use super::reply::Reply;
use super::socket::{ReplySize, Socket};

/// How many requests one send may hold: if all failed, the replies would have to fit into the
/// socket's receive buffer, of which each takes about a kilobyte.
const MOST_REQUESTS: usize = 100;

/// How many bytes one send may hold; the kernel's default limit is 208 KiB.
const MOST_BYTES: usize = 96 * 1024;

/// Takes the object that each [`Message::get`] asked for, or why there is none.
pub(crate) type Objects<'a> = &'a mut dyn FnMut(Result<&[u8], NetlinkError>);

/// Changes to be carried out in order.
///
/// All travel in one send (very long batches in a few). The kernel goes on behind a failing
/// message, so the messages after it may have taken effect as well: whoever undoes a failed batch
/// undoes all of it.
#[derive(Debug)]
#[must_use = "a batch does nothing until it is run"]
pub struct Batch<'a> {
    socket: &'a Socket,
    messages: Vec<Message>,
}

/// The requests of one send.
#[derive(Debug, Default)]
struct SendBuffer {
    bytes: Vec<u8>,
    /// For every request in `bytes` the position of the message it belongs to.
    owners: Vec<usize>,
    first_sequence: u32,
}

impl<'a> Batch<'a> {
    /// An empty batch for the namespace of `socket`.
    pub fn new(socket: &'a Socket) -> Self {
        Self {
            socket,
            messages: Vec::new(),
        }
    }

    /// Adds a change behind the others.
    pub fn add(&mut self, message: Message) -> &mut Self {
        self.messages.push(message);
        self
    }

    /// Whether nothing has been added.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Carries out the changes and waits for the replies; the first failure is returned.
    ///
    /// Nothing is sent when a message is invalid by itself.
    pub fn run(self) -> Result<(), NetlinkError> {
        self.transact(&mut |_| {})
    }

    /// As [`Batch::run`]; the objects that messages of the batch get go to `objects`, in the order of
    /// the messages.
    pub(crate) fn transact(self, objects: Objects<'_>) -> Result<(), NetlinkError> {
        let socket = self.socket;
        let mut metas = Vec::with_capacity(self.messages.len());
        let mut requests = Vec::with_capacity(self.messages.len());
        for (position, message) in self.messages.into_iter().enumerate() {
            let (meta, bytes) = message.into_parts();
            match bytes {
                Ok(bytes) => requests.push(bytes),
                Err(reason) => {
                    let error = RequestError::Invalid(reason).during(meta.operation);
                    return Err(error.of_message(position));
                }
            }
            metas.push(meta);
        }
        for mut buffer in send_buffers(requests, || socket.next_sequence()) {
            buffer.acknowledge_last(&metas);
            let outcome = match socket.send(&buffer.bytes) {
                Ok(()) => buffer.collect(socket, &metas, objects),
                Err(error) => Err(error),
            };
            let failure = outcome.map_err(|error| {
                let first = buffer.owners.first().and_then(|first| metas.get(*first));
                error.during(first.map_or("", |meta| &meta.operation))
            })?;
            if let Some(error) = failure {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Numbers the requests and packs as many messages into each send as fit.
fn send_buffers(requests: Vec<Vec<u8>>, mut next: impl FnMut() -> u32) -> Vec<SendBuffer> {
    let mut all: Vec<SendBuffer> = Vec::with_capacity(1);
    for (position, mut bytes) in requests.into_iter().enumerate() {
        let mut first = None;
        let count = number_requests(&mut bytes, || {
            let sequence = next();
            first.get_or_insert(sequence);
            sequence
        });
        let fits = |buffer: &&mut SendBuffer| {
            buffer.owners.len() + count <= MOST_REQUESTS
                && buffer.bytes.len() + bytes.len() <= MOST_BYTES
        };
        let owners = std::iter::repeat_n(position, count);
        if let Some(buffer) = all.last_mut().filter(fits) {
            buffer.bytes.append(&mut bytes);
            buffer.owners.extend(owners);
        } else if let Some(first_sequence) = first {
            all.push(SendBuffer {
                bytes,
                owners: owners.collect(),
                first_sequence,
            });
        }
    }
    all
}

impl SendBuffer {
    /// Requests an acknowledgement of the last change only, which the kernel carries out last: its
    /// reply says that all is done. A get in its place is answered anyway.
    fn acknowledge_last(&mut self, metas: &[RequestMeta]) {
        let is_get = |owner: &usize| metas.get(*owner).is_some_and(RequestMeta::is_get);
        let silent = match self.owners.last() {
            Some(last) if !is_get(last) => self.owners.len().saturating_sub(1),
            _ => self.owners.len(),
        };
        clear_ack(&mut self.bytes, silent);
    }

    /// Waits for the reply to the last request, and returns the first failed change. The kernel
    /// answers in order, and reports an error whether or not an acknowledgement was requested.
    fn collect(
        &self,
        socket: &Socket,
        metas: &[RequestMeta],
        objects: Objects<'_>,
    ) -> Result<Option<NetlinkError>, RequestError> {
        let mut failure = None;
        let count = self.owners.len();
        socket.collect(
            ReplySize::Object,
            self.first_sequence,
            count,
            |request, reply| {
                let owner = self.owners.get(request).copied().unwrap_or_default();
                let Some(meta) = metas.get(owner) else {
                    return Continue(());
                };
                match reply {
                    Reply::Acknowledged => {}
                    Reply::Object(payload) if meta.is_get() => objects(Ok(payload)),
                    Reply::Error(error) => {
                        let is_tolerated = meta.tolerates(error.errno);
                        let error = RequestError::Refused(error).during(&meta.operation);
                        if meta.is_get() {
                            objects(Err(error));
                        } else if !is_tolerated {
                            failure.get_or_insert(error.of_message(owner));
                        }
                    }
                    // A copy of the object (NLM_F_ECHO) comes besides the acknowledgement.
                    Reply::Object(_) | Reply::Done | Reply::Interrupted => return Continue(()),
                }
                if request + 1 == count {
                    Break(Ok(()))
                } else {
                    Continue(())
                }
            },
        )?;
        Ok(failure)
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{DefaultNla, Emitable as _};

    use super::*;
    use crate::netlink::message::append_request;

    fn request(size: usize) -> Vec<u8> {
        let body = DefaultNla::new(1, vec![0; size]);
        assert!(body.buffer_len() >= size);
        let mut bytes = Vec::new();
        append_request(&mut bytes, 16, 5, &body);
        bytes
    }

    /// The flags of each request.
    fn flags(mut bytes: &[u8]) -> Vec<u16> {
        let mut flags = vec![];
        while let Some(length) = bytes.first_chunk() {
            flags.push(u16::from_ne_bytes([bytes[6], bytes[7]]));
            bytes = &bytes[u32::from_ne_bytes(*length) as usize..];
        }
        flags
    }

    #[test]
    fn one_acknowledgement_tells_the_end_unless_an_answer_does() {
        let body = DefaultNla::new(1, vec![]);
        let change = || Message::new("do".into(), 16, 0, &body);
        let ask = || Message::get("ask".into(), 18, &body);
        for (messages, expected) in [
            (vec![change(), change()], [1, 5]),
            (vec![change(), ask()], [1, 1]),
            (vec![ask(), change()], [1, 5]),
        ] {
            let (metas, requests): (Vec<_>, Vec<_>) = messages
                .into_iter()
                .map(Message::into_parts)
                .map(|(meta, bytes)| (meta, bytes.unwrap()))
                .unzip();
            let mut sent = send_buffers(requests, counter(0));
            sent[0].acknowledge_last(&metas);
            assert_eq!(flags(&sent[0].bytes), expected);
        }
    }

    fn counter(mut sequence: u32) -> impl FnMut() -> u32 {
        move || {
            sequence = sequence.wrapping_add(1);
            sequence
        }
    }

    #[test]
    fn requests_know_their_message_also_when_one_message_is_two_requests() {
        let double = [request(4), request(4)].concat();
        let sent = send_buffers(vec![request(4), double, request(4)], counter(u32::MAX - 2));
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].owners, [0, 1, 1, 2]);
        assert_eq!(sent[0].first_sequence, u32::MAX - 1);
    }

    #[test]
    fn long_batches_are_split_and_keep_their_positions() {
        let sent = send_buffers((0..250).map(|_| request(4)).collect(), counter(0));
        let counts = |sent: &[SendBuffer]| -> Vec<_> {
            sent.iter().map(|buffer| buffer.owners.len()).collect()
        };
        assert_eq!(counts(&sent), [100, 100, 50]);
        assert_eq!((sent[2].first_sequence, sent[2].owners[0]), (201, 200));
        let large = send_buffers((0..4).map(|_| request(40_000)).collect(), counter(0));
        assert_eq!(counts(&large), [2, 2]);
    }
}
