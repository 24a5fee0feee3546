//! Receiving the replies to requests: the one loop for batches, transactions and dumps.

use std::ops::ControlFlow::{self, Break, Continue};

use super::error::RequestError;
use super::reply::{Reply, ReplyMessages};
use super::socket::{ReplySize, Socket};

impl Socket {
    /// Receives replies to `count` requests with sequence numbers from `first` on, until `take`
    /// breaks. `take` is given the position of the request, from 0, and the reply. Replies to
    /// requests that were given up earlier are dropped.
    pub fn collect<T>(
        &self,
        size: ReplySize,
        first: u32,
        count: usize,
        mut take: impl FnMut(usize, Reply<'_>) -> ControlFlow<Result<T, RequestError>>,
    ) -> Result<T, RequestError> {
        loop {
            let read = |datagram: &[u8]| read(datagram, first, count, &mut take);
            if let Break(outcome) = self.receive(size, read)? {
                return outcome;
            }
        }
    }
}

/// Hands the replies in one datagram to `take`.
pub(super) fn read<T>(
    datagram: &[u8],
    first: u32,
    count: usize,
    mut take: impl FnMut(usize, Reply<'_>) -> ControlFlow<Result<T, RequestError>>,
) -> ControlFlow<Result<T, RequestError>> {
    for message in ReplyMessages::new(datagram) {
        let Ok(message) = message else {
            return Break(Err(RequestError::Malformed));
        };
        let position = usize::try_from(message.sequence.wrapping_sub(first));
        let Some(position) = position.ok().filter(|position| *position < count) else {
            continue;
        };
        if message.is_interrupted() {
            take(position, Reply::Interrupted)?;
        }
        match message.reply() {
            Ok(Some(reply)) => take(position, reply)?,
            Ok(None) => {}
            Err(malformed) => return Break(Err(malformed.into())),
        }
    }
    Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: u16 = 3;
    const INTERRUPTED: u16 = 0x10;
    const FIRST: u32 = u32::MAX;

    /// A message that holds one byte and its padding.
    fn message(kind: u16, flags: u16, sequence: u32, byte: u8) -> Vec<u8> {
        let mut bytes = 20u32.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0, 0, 0, 0, byte, 0, 0, 0]);
        bytes
    }

    /// Reads the replies to two requests, numbered [`FIRST`] and 0.
    fn taken(messages: &[Vec<u8>]) -> (Vec<String>, bool) {
        let mut taken = Vec::new();
        let flow = read(&messages.concat(), FIRST, 2, |position, reply| {
            taken.push(format!("{position} {reply:?}"));
            match reply {
                Reply::Done => Break(Ok(())),
                _ => Continue(()),
            }
        });
        (taken, matches!(flow, Break(Ok(()))))
    }

    #[test]
    fn replies_come_with_the_position_of_their_request_until_the_break() {
        let (replies, has_ended) = taken(&[
            message(20, 0, FIRST, 1),
            message(20, 0, FIRST - 1, 9),
            message(20, 0, 0, 2),
            message(20, 0, 1, 9),
        ]);
        assert_eq!(
            replies,
            ["0 Object([1, 0, 0, 0])", "1 Object([2, 0, 0, 0])"]
        );
        assert!(!has_ended);
        let (replies, has_ended) = taken(&[message(DONE, 0, 0, 0), message(20, 0, 0, 9)]);
        assert_eq!((replies, has_ended), (vec!["1 Done".to_owned()], true));
    }

    #[test]
    fn an_interruption_is_told_first_also_at_the_end() {
        let (replies, _) = taken(&[
            message(20, INTERRUPTED, FIRST, 1),
            message(DONE, INTERRUPTED, 0, 0),
        ]);
        let expected = [
            "0 Interrupted",
            "0 Object([1, 0, 0, 0])",
            "1 Interrupted",
            "1 Done",
        ];
        assert_eq!(replies, expected);
    }

    #[test]
    fn nonsense_ends_the_collection() {
        let flow = read(&[1, 2, 3], 0, 1, |_, _| Continue::<Result<(), _>>(()));
        assert!(matches!(flow, Break(Err(RequestError::Malformed))));
        let short = message(2, 0, 0, 0);
        let flow = read(&short[..17], 0, 1, |_, _| Continue::<Result<(), _>>(()));
        assert!(matches!(flow, Break(Err(RequestError::Malformed))));
    }
}
