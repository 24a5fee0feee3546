//! Several changes in one system call.

use super::error::NetlinkError;
use super::frame::{Broken, Frames, Reply};
use super::message::{Message, Part, number_requests, silence};
use super::socket::{Socket, SocketFailure};

/// How many requests one send may hold: were all refused, the replies would have to fit into the
/// socket's receive buffer, of which each takes about a kilobyte.
const MOST_REQUESTS: usize = 100;

/// How many bytes one send may hold; the kernel's default limit is 208 KiB.
const MOST_BYTES: usize = 96 * 1024;

/// Takes the answers to questions, or why there is none.
pub(crate) type Hear<'a> = &'a mut dyn FnMut(Result<&[u8], NetlinkError>);

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

/// Part of a batch, ready to be sent.
#[derive(Debug, Default)]
struct Shipment {
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
        self.converse(&mut |_| {})
    }

    /// As [`Batch::run`]; the answers to the questions among the messages, or why there is none, go
    /// to `hear` in the order of the questions.
    pub(crate) fn converse(self, hear: Hear<'_>) -> Result<(), NetlinkError> {
        let socket = self.socket;
        let mut parts = Vec::with_capacity(self.messages.len());
        let mut requests = Vec::with_capacity(self.messages.len());
        for (position, message) in self.messages.into_iter().enumerate() {
            let (part, bytes) = message.into_parts();
            match bytes {
                Ok(bytes) => requests.push(bytes),
                Err(reason) => {
                    return Err(NetlinkError::Invalid {
                        step: part.step,
                        reason,
                        message: Some(position),
                    });
                }
            }
            parts.push(part);
        }
        for mut shipment in shipments(requests, || socket.next_sequence()) {
            shipment.acknowledge_last(&parts);
            let first = shipment.owners.first().copied().unwrap_or_default();
            let step = parts.get(first).map_or("", |part| &part.step);
            let failed = |failure: SocketFailure| failure.during(step.to_owned());
            socket.send(&shipment.bytes).map_err(failed)?;
            let failure = collect(socket, &shipment, &parts, hear).map_err(failed)?;
            let Ok(failure) = failure else {
                return Err(NetlinkError::Malformed {
                    step: step.to_owned(),
                });
            };
            if let Some(refused) = failure {
                return Err(refused);
            }
        }
        Ok(())
    }
}

/// Numbers the requests and packs as many messages into each send as fit.
fn shipments(requests: Vec<Vec<u8>>, mut next: impl FnMut() -> u32) -> Vec<Shipment> {
    let mut all: Vec<Shipment> = Vec::with_capacity(1);
    for (position, mut bytes) in requests.into_iter().enumerate() {
        let mut first = None;
        let count = number_requests(&mut bytes, || {
            let sequence = next();
            first.get_or_insert(sequence);
            sequence
        });
        let fits = |shipment: &&mut Shipment| {
            shipment.owners.len() + count <= MOST_REQUESTS
                && shipment.bytes.len() + bytes.len() <= MOST_BYTES
        };
        let owners = std::iter::repeat_n(position, count);
        if let Some(shipment) = all.last_mut().filter(fits) {
            shipment.bytes.append(&mut bytes);
            shipment.owners.extend(owners);
        } else if let Some(first_sequence) = first {
            all.push(Shipment {
                bytes,
                owners: owners.collect(),
                first_sequence,
            });
        }
    }
    all
}

/// The first change of a shipment that was refused, if any was.
type Outcome = Result<Option<NetlinkError>, Broken>;

/// Waits until the last request of a shipment has been answered. The kernel answers in order, and
/// reports a refusal whether or not an acknowledgement was asked for.
fn collect(
    socket: &Socket,
    shipment: &Shipment,
    parts: &[Part],
    hear: Hear<'_>,
) -> Result<Outcome, SocketFailure> {
    let mut failure = None;
    let mut answered = false;
    while !answered {
        let read = socket.receive(|datagram| {
            for frame in Frames::new(datagram) {
                let frame = frame?;
                let Some((position, part)) = shipment.owner_of(frame.sequence, parts) else {
                    continue;
                };
                match frame.reply() {
                    Reply::Acknowledged => {}
                    Reply::Object(payload) if part.is_question() => hear(Ok(payload)),
                    Reply::Refused(refusal) => {
                        let tolerated = part.tolerates(refusal.errno);
                        let change = (!part.is_question()).then_some(position);
                        let error = NetlinkError::refused(part.step.clone(), refusal, change);
                        if part.is_question() {
                            hear(Err(error));
                        } else if !tolerated {
                            failure.get_or_insert(error);
                        }
                    }
                    Reply::Malformed => return Err(Broken),
                    // A copy of the object (NLM_F_ECHO) comes besides the acknowledgement.
                    Reply::Object(_) | Reply::Done | Reply::Nothing => continue,
                }
                answered = shipment.is_last(frame.sequence);
            }
            Ok(())
        })?;
        if read.is_err() {
            return Ok(Err(Broken));
        }
    }
    Ok(Ok(failure))
}

impl Shipment {
    /// Has the kernel acknowledge the last change alone, which it carries out last: its reply says
    /// that all is done. A question in its place is answered anyway.
    fn acknowledge_last(&mut self, parts: &[Part]) {
        let is_question = |owner: &usize| parts.get(*owner).is_some_and(Part::is_question);
        let silent = match self.owners.last() {
            Some(last) if !is_question(last) => self.owners.len().saturating_sub(1),
            _ => self.owners.len(),
        };
        silence(&mut self.bytes, silent);
    }

    /// The message a reply belongs to; `None` for replies to something older.
    fn owner_of<'p>(&self, sequence: u32, parts: &'p [Part]) -> Option<(usize, &'p Part)> {
        let offset = usize::try_from(sequence.wrapping_sub(self.first_sequence)).ok()?;
        let owner = *self.owners.get(offset)?;
        Some((owner, parts.get(owner)?))
    }

    fn is_last(&self, sequence: u32) -> bool {
        let offset = sequence.wrapping_sub(self.first_sequence);
        usize::try_from(offset).is_ok_and(|offset| offset + 1 >= self.owners.len())
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

    fn parts(count: usize) -> Vec<Part> {
        let change = |_| Message::new("do".into(), 16, 0, &DefaultNla::new(1, vec![]));
        (0..count).map(|n| change(n).into_parts().0).collect()
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
        let ask = || Message::question("ask".into(), 18, &body);
        for (messages, expected) in [
            (vec![change(), change()], [1, 5]),
            (vec![change(), ask()], [1, 1]),
            (vec![ask(), change()], [1, 5]),
        ] {
            let (parts, requests): (Vec<_>, Vec<_>) = messages
                .into_iter()
                .map(Message::into_parts)
                .map(|(part, bytes)| (part, bytes.unwrap()))
                .unzip();
            let mut sent = shipments(requests, counter(0));
            sent[0].acknowledge_last(&parts);
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
    fn replies_find_their_message_also_when_one_message_is_two_requests() {
        let double = [request(4), request(4)].concat();
        let sent = shipments(vec![request(4), double, request(4)], counter(u32::MAX - 2));
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].owners, [0, 1, 1, 2]);
        // The sequence numbers wrap around.
        let parts = parts(3);
        let owner = |sequence| sent[0].owner_of(sequence, &parts).map(|(owner, _)| owner);
        let owners = [u32::MAX - 1, u32::MAX, 0, 1].map(owner);
        assert_eq!(owners, [Some(0), Some(1), Some(1), Some(2)]);
        assert_eq!(owner(u32::MAX - 2), None);
        assert_eq!(owner(2), None);
        let last = [u32::MAX - 1, u32::MAX, 0, 1].map(|sequence| sent[0].is_last(sequence));
        assert_eq!(last, [false, false, false, true]);
    }

    #[test]
    fn long_batches_are_split_and_keep_their_positions() {
        let sent = shipments((0..250).map(|_| request(4)).collect(), counter(0));
        assert_eq!(
            sent.iter()
                .map(|part| part.owners.len())
                .collect::<Vec<_>>(),
            [100, 100, 50]
        );
        let parts = parts(250);
        assert_eq!(sent[2].owner_of(201, &parts).unwrap().0, 200);
        let large = shipments((0..4).map(|_| request(40_000)).collect(), counter(0));
        assert_eq!(
            large
                .iter()
                .map(|part| part.owners.len())
                .collect::<Vec<_>>(),
            [2, 2]
        );
    }
}
