//! Sending an object of a reply back to the kernel, with everything the kernel said of it.
//!
//! The typed messages carry what this crate knows of. An object that somebody else made may have
//! more (metrics, an encapsulation), and has to come back with all of it.

use netlink_packet_core::Emitable;

use super::attribute::Attributes;

/// The body of a message made from the body of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replay(Vec<u8>);

impl Replay {
    /// A body that begins with `header`, the fixed part.
    pub(crate) fn new(header: &[u8]) -> Self {
        Self(header.to_vec())
    }

    /// Appends the attributes in `bytes`, except those of these kinds.
    pub(crate) fn extend_without(&mut self, bytes: &[u8], left_out: &[u16]) {
        for attribute in Attributes::new(bytes) {
            if !left_out.contains(&attribute.kind) {
                self.push(attribute.kind, attribute.value);
            }
        }
    }

    /// Appends one attribute, unless its value is longer than an attribute can be.
    pub(crate) fn push(&mut self, kind: u16, value: &[u8]) {
        let Ok(length) = u16::try_from(value.len().saturating_add(4)) else {
            return;
        };
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

impl Emitable for Replay {
    fn buffer_len(&self) -> usize {
        self.0.len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        if let Some(target) = buffer.get_mut(..self.0.len()) {
            target.copy_from_slice(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_padded_and_without_those_left_out() {
        let mut first = Replay::new(&[1, 2, 3, 4]);
        first.push(7, &[1]);
        first.push(8, &[1, 2, 3, 4]);
        first.push(9, &vec![0; 70_000]);
        let mut second = Replay::new(&[1, 2, 3, 4]);
        second.extend_without(first.0.get(4..).unwrap(), &[8]);
        let mut bytes = vec![0; second.buffer_len()];
        second.emit(&mut bytes);
        let [five, seven] = [5u16, 7].map(u16::to_ne_bytes);
        let expected = [
            [1, 2, 3, 4],
            [five[0], five[1], seven[0], seven[1]],
            [1, 0, 0, 0],
        ];
        assert_eq!(bytes, expected.concat());
    }
}
