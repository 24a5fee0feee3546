//! Several changes in one system call.

use super::error::NetlinkError;
use super::frame::{Broken, Frames, Refusal, Reply};
use super::message::{Message, number_requests};
use super::socket::{Socket, SocketFailure};

/// How many requests one send may hold: their acknowledgements have to fit into the socket's
/// receive buffer, of which each takes about a kilobyte.
const MOST_REQUESTS: usize = 100;

/// How many bytes one send may hold; the kernel's default limit is 208 KiB.
const MOST_BYTES: usize = 96 * 1024;

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
    pub(crate) fn new(socket: &'a Socket) -> Self {
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

    /// Carries out the changes and waits for all replies; the first failure is returned.
    ///
    /// Nothing is sent when a message is invalid by itself.
    pub fn run(self) -> Result<(), NetlinkError> {
        let socket = self.socket;
        let mut steps = Vec::with_capacity(self.messages.len());
        let mut requests = Vec::with_capacity(self.messages.len());
        for (position, message) in self.messages.into_iter().enumerate() {
            let (step, bytes) = message.into_parts();
            match bytes {
                Ok(bytes) => requests.push(bytes),
                Err(reason) => {
                    return Err(NetlinkError::Invalid {
                        step,
                        reason,
                        message: Some(position),
                    });
                }
            }
            steps.push(step);
        }
        for shipment in shipments(requests, || socket.next_sequence()) {
            let first = shipment.owners.first().copied().unwrap_or_default();
            let step = steps.get(first).map_or("", String::as_str);
            let failed = |failure: SocketFailure| failure.during(step.to_owned());
            socket.send(&shipment.bytes).map_err(failed)?;
            let failure = collect(socket, &shipment).map_err(failed)?;
            let Ok(failure) = failure else {
                return Err(NetlinkError::Malformed {
                    step: step.to_owned(),
                });
            };
            if let Some((position, refusal)) = failure {
                let step = steps.get(position).cloned().unwrap_or_default();
                return Err(NetlinkError::refused(step, refusal, Some(position)));
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

/// The first refusal of a shipment with the position of its message, if there was one.
type Outcome = Result<Option<(usize, Refusal)>, Broken>;

/// Waits until every request of a shipment has been answered.
fn collect(socket: &Socket, shipment: &Shipment) -> Result<Outcome, SocketFailure> {
    let mut answered = 0;
    let mut failure = None;
    while answered < shipment.owners.len() {
        let read = socket.receive(|datagram| {
            for frame in Frames::new(datagram) {
                let frame = frame?;
                let Some(owner) = shipment.owner_of(frame.sequence) else {
                    continue;
                };
                match frame.reply() {
                    Reply::Acknowledged => answered += 1,
                    Reply::Refused(refusal) => {
                        answered += 1;
                        failure.get_or_insert((owner, refusal));
                    }
                    Reply::Malformed => return Err(Broken),
                    // A copy of the object (NLM_F_ECHO) comes besides the acknowledgement.
                    Reply::Object(_) | Reply::Done | Reply::Nothing => {}
                }
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
    /// The message a reply belongs to; `None` for replies to something older.
    fn owner_of(&self, sequence: u32) -> Option<usize> {
        let offset = usize::try_from(sequence.wrapping_sub(self.first_sequence)).ok()?;
        self.owners.get(offset).copied()
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
        let owners = [u32::MAX - 1, u32::MAX, 0, 1].map(|sequence| sent[0].owner_of(sequence));
        assert_eq!(owners, [Some(0), Some(1), Some(1), Some(2)]);
        assert_eq!(sent[0].owner_of(u32::MAX - 2), None);
        assert_eq!(sent[0].owner_of(2), None);
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
        assert_eq!(sent[2].owner_of(201), Some(200));
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
