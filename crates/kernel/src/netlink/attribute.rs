//! Attributes (`struct nlattr`): the one reader and the one writer.
//!
//! Replies are read leniently, attribute by attribute: what this crate does not use is never
//! decoded, so a newer kernel's attribute cannot make a reply unreadable. Requests of rtnetlink are
//! the typed messages of netlink-packet-route; the writer is for netfilter and for attributes that
//! crate lacks.
//!
//! Numbers are in the host's byte order unless the name says `be`: rtnetlink uses the host's,
//! netfilter the network's.

use std::net::IpAddr;

use netlink_packet_core::Emitable;

/// Length and type in front of every value.
const HEADER: usize = 4;

/// `NLA_TYPE_MASK`: without the flags for nested and network-order values.
const TYPE_MASK: u16 = 0x3fff;

/// `NLA_F_NESTED`: the value is a list of attributes.
pub const NESTED: u16 = 0x8000;

/// One attribute of a reply.
#[derive(Debug, Clone, Copy)]
pub struct Attribute<'a> {
    /// The type without flag bits.
    pub kind: u16,
    /// The value without padding.
    pub value: &'a [u8],
}

/// The attributes of a message or of a nested attribute; ends at the first malformed one.
///
/// An iterator over all of them in order. The methods that take a type read the first attribute
/// of that type, from wherever the iterator is; `None` if there is none or its value is too short.
#[derive(Debug, Clone, Default)]
pub struct Attributes<'a>(&'a [u8]);

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

impl<'a> Attributes<'a> {
    /// The attributes in `bytes`, which begin with the first one's header.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The attributes of a message whose own header takes `header` bytes; `None` if it is shorter.
    pub fn after(header: usize, payload: &'a [u8]) -> Option<Self> {
        payload.get(header..).map(Self)
    }

    /// The attribute of a type.
    pub fn get(&self, kind: u16) -> Option<Attribute<'a>> {
        self.clone().find(|attribute| attribute.kind == kind)
    }

    /// The attributes inside one.
    pub fn nested(&self, kind: u16) -> Option<Self> {
        self.get(kind).map(|found| found.nested())
    }

    /// The text of one; see [`Attribute::text`].
    pub fn text(&self, kind: u16) -> Option<String> {
        self.get(kind).map(|found| found.text())
    }

    /// The first byte of one.
    pub fn u8(&self, kind: u16) -> Option<u8> {
        self.get(kind)?.u8()
    }

    /// The number in the first two bytes of one.
    pub fn u16(&self, kind: u16) -> Option<u16> {
        self.get(kind)?.u16()
    }

    /// The number in the first four bytes of one.
    pub fn u32(&self, kind: u16) -> Option<u32> {
        self.get(kind)?.u32()
    }

    /// As [`Attributes::u16`], in network order.
    pub fn be_u16(&self, kind: u16) -> Option<u16> {
        self.get(kind)?.first().map(u16::from_be_bytes)
    }

    /// As [`Attributes::u32`], in network order.
    pub fn be_u32(&self, kind: u16) -> Option<u32> {
        self.get(kind)?.first().map(u32::from_be_bytes)
    }

    /// As [`Attributes::be_u32`], signed.
    pub fn be_i32(&self, kind: u16) -> Option<i32> {
        self.get(kind)?.first().map(i32::from_be_bytes)
    }

    /// The number in the first eight bytes of one, in network order.
    pub fn be_u64(&self, kind: u16) -> Option<u64> {
        self.get(kind)?.first().map(u64::from_be_bytes)
    }
}

impl<'a> Attribute<'a> {
    /// The attributes inside this one.
    pub fn nested(&self) -> Attributes<'a> {
        Attributes(self.value)
    }

    /// The first byte.
    pub fn u8(&self) -> Option<u8> {
        self.value.first().copied()
    }

    /// The number in the first two bytes.
    pub fn u16(&self) -> Option<u16> {
        self.first().map(u16::from_ne_bytes)
    }

    /// The number in the first four bytes.
    pub fn u32(&self) -> Option<u32> {
        self.first().map(u32::from_ne_bytes)
    }

    /// As [`Attribute::u32`], signed.
    pub fn i32(&self) -> Option<i32> {
        self.first().map(i32::from_ne_bytes)
    }

    /// The text up to the first zero byte; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        let text = self.value.split(|byte| *byte == 0).next();
        String::from_utf8_lossy(text.unwrap_or_default()).into_owned()
    }

    /// The address; its length tells the family.
    pub fn ip(&self) -> Option<IpAddr> {
        if let Ok(four) = <[u8; 4]>::try_from(self.value) {
            return Some(IpAddr::from(four));
        }
        <[u8; 16]>::try_from(self.value).ok().map(IpAddr::from)
    }

    fn first<const LENGTH: usize>(&self) -> Option<[u8; LENGTH]> {
        self.value.first_chunk().copied()
    }
}

/// The number in the two bytes from `at` on, in the host's order; `None` if there are fewer.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let found = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*found))
}

/// As [`u16_at`], of four bytes.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let found = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*found))
}

/// The part of a request behind `struct nlmsghdr`, or the inside of a nested attribute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttributeWriter(Vec<u8>);

impl AttributeWriter {
    /// Attributes behind the header of the request's own kind (`struct nfgenmsg`, …).
    pub fn after(header: &[u8]) -> Self {
        Self(header.to_vec())
    }

    /// Appends an attribute. A value above 64 KiB does not fit into one and makes the kernel
    /// refuse the request; callers split lists before.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(HEADER + value.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Appends one byte.
    pub fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.bytes(kind, &[value])
    }

    /// Appends a number.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Appends a number in network order.
    pub fn be_u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// As [`AttributeWriter::be_u32`], of eight bytes.
    pub fn be_u64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Appends a text with its terminating zero byte.
    pub fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        self.bytes(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// Appends an attribute that holds those `fill` writes.
    pub fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(kind | NESTED, &inner.0)
    }

    /// Appends attributes of a reply, except those of the types `without`.
    pub fn copy(&mut self, attributes: Attributes<'_>, without: &[u16]) -> &mut Self {
        for attribute in attributes.filter(|found| !without.contains(&found.kind)) {
            self.bytes(attribute.kind, attribute.value);
        }
        self
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<AttributeWriter> for Vec<u8> {
    fn from(writer: AttributeWriter) -> Self {
        writer.0
    }
}

impl Emitable for AttributeWriter {
    fn buffer_len(&self) -> usize {
        self.0.len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        for (target, byte) in buffer.iter_mut().zip(&self.0) {
            *target = *byte;
        }
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

    #[test]
    fn attributes_are_found_by_type_behind_a_header() {
        let mut body = AttributeWriter::after(&[1, 0, 0, 9]);
        body.be_u32(2, 7).text(3, "ab").bytes(4, &[1, 2]);
        let bytes = Vec::from(body);
        let read = Attributes::after(4, &bytes).unwrap();
        assert_eq!((read.be_u32(2), read.be_i32(2)), (Some(7), Some(7)));
        assert_eq!(read.text(3).as_deref(), Some("ab"));
        assert_eq!(read.be_u16(4), Some(0x0102));
        assert_eq!(
            (read.be_u64(2), read.be_u32(4), read.be_u32(9)),
            (None, None, None)
        );
        assert_eq!(read.count(), 3);
        assert!(Attributes::after(4, &[1]).is_none());
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn written_attributes_are_padded_and_keep_their_byte_order() {
        let mut body = AttributeWriter::after(&[2, 0, 0, 10]);
        body.u8(1, 7)
            .bytes(2, &[0x12, 0x34])
            .be_u32(3, 1)
            .be_u64(4, 2)
            .text(5, "ab")
            .u32(6, 3);
        let expected = [
            [2, 0, 0, 10].as_slice(),
            &[5, 0, 1, 0, 7, 0, 0, 0],
            &[6, 0, 2, 0, 0x12, 0x34, 0, 0],
            &[8, 0, 3, 0, 0, 0, 0, 1],
            &[12, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 2],
            &[7, 0, 5, 0, b'a', b'b', 0, 0],
            &[8, 0, 6, 0, 3, 0, 0, 0],
        ]
        .concat();
        let mut written = vec![0; body.buffer_len()];
        body.emit(&mut written);
        assert_eq!(written, expected);
        assert_eq!(body.len(), expected.len());
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn nested_attributes_carry_the_flag_and_their_padded_length() {
        let mut body = AttributeWriter::default();
        body.nested(4, |inner| {
            inner.u8(1, 9);
        });
        assert_eq!(body.0, [12, 0, 4, 0x80, 5, 0, 1, 0, 9, 0, 0, 0]);
    }

    #[test]
    fn attributes_are_copied_without_those_left_out() {
        let mut first = AttributeWriter::default();
        first.u8(7, 1).u32(8, 2).u8(9, 3);
        let first = Vec::from(first);
        let mut copy = AttributeWriter::default();
        copy.copy(Attributes::new(&first), &[8]);
        let mut expected = AttributeWriter::default();
        expected.u8(7, 1).u8(9, 3);
        assert_eq!(copy, expected);
    }

    #[test]
    fn a_value_too_long_for_an_attribute_does_not_panic() {
        let mut body = AttributeWriter::default();
        body.bytes(1, &vec![0; 70_000]);
        assert_eq!(body.0.get(..2), Some(&u16::MAX.to_ne_bytes()[..]));
    }
}
