//! Reading attributes (`struct nlattr`) out of replies.
//!
//! Replies are read leniently, attribute by attribute: what this crate does not use is never
//! decoded, so a newer kernel's attribute cannot make a reply unreadable. The writing side uses
//! the typed messages of netlink-packet-route.

use std::net::IpAddr;

/// Length and type in front of every value.
const HEADER: usize = 4;

/// `NLA_TYPE_MASK`: without the flags for nested and network-order values.
const TYPE_MASK: u16 = 0x3fff;

/// One attribute of a reply.
#[derive(Debug, Clone, Copy)]
pub struct Attribute<'a> {
    /// The type without flag bits.
    pub kind: u16,
    /// The value without padding.
    pub value: &'a [u8],
}

/// The attributes of a message or of a nested attribute; ends at the first malformed one.
#[derive(Debug, Clone)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// The attributes in `bytes`, which begin with the first one's header.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_ne_bytes(*length));
        let value = self.0.get(HEADER..length)?;
        // The padding of the last one may be missing.
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Attribute {
            kind: u16::from_ne_bytes(*kind) & TYPE_MASK,
            value,
        })
    }
}

impl<'a> Attribute<'a> {
    /// The attributes inside this one.
    pub fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.value)
    }

    /// The first byte.
    pub fn u8(&self) -> Option<u8> {
        self.value.first().copied()
    }

    /// The number in the first two bytes, in the machine's order.
    pub fn u16(&self) -> Option<u16> {
        self.value
            .first_chunk()
            .map(|bytes| u16::from_ne_bytes(*bytes))
    }

    /// The number in the first four bytes, in the machine's order.
    pub fn u32(&self) -> Option<u32> {
        self.value
            .first_chunk()
            .map(|bytes| u32::from_ne_bytes(*bytes))
    }

    /// As [`Attribute::u32`], signed.
    pub fn i32(&self) -> Option<i32> {
        self.value
            .first_chunk()
            .map(|bytes| i32::from_ne_bytes(*bytes))
    }

    /// The text up to the first zero byte; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        let end = self
            .value
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.value.len());
        String::from_utf8_lossy(self.value.get(..end).unwrap_or_default()).into_owned()
    }

    /// The address, of the family its length tells.
    pub fn ip(&self) -> Option<IpAddr> {
        if let Ok(four) = <[u8; 4]>::try_from(self.value) {
            return Some(IpAddr::from(four));
        }
        <[u8; 16]>::try_from(self.value).ok().map(IpAddr::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_walked_over_their_padding() {
        let bytes = [
            [5, 0, 1, 0, 7, 0, 0, 0].as_slice(), // one byte, three of padding
            &[8, 0, 2, 0x80, 1, 0, 0, 0],        // nested flag set
            &[6, 0, 3, 0, b'x', 0],              // no padding at the end
        ]
        .concat();
        let found: Vec<_> = Attributes::new(&bytes).collect();
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].kind, found[0].u8()), (1, Some(7)));
        if cfg!(target_endian = "little") {
            assert_eq!((found[1].kind, found[1].u32()), (2, Some(1)));
        }
        assert_eq!((found[2].kind, found[2].text()), (3, "x".to_owned()));
    }

    #[test]
    fn malformed_attributes_end_the_walk() {
        for bytes in [
            &[3, 0, 1, 0][..],
            &[200, 0, 1, 0, 1],
            &[4, 0],
            &[0, 0, 0, 0],
        ] {
            assert_eq!(Attributes::new(bytes).count(), 0, "{bytes:?}");
        }
    }

    #[test]
    fn values_shorter_than_their_type_are_absent() {
        let short = Attribute {
            kind: 1,
            value: &[1],
        };
        assert_eq!(
            (short.u16(), short.u32(), short.i32(), short.ip()),
            (None, None, None, None)
        );
    }
}
