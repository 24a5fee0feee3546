//! Reading the attributes of a reply by number.

use super::HEADER;
use ferrule_kernel::netlink::{Attribute, Attributes};

/// Attributes that are asked for one by one, in any order. Numbers are in network order.
#[derive(Debug, Clone)]
pub(crate) struct Parts<'a>(Attributes<'a>);

impl<'a> Parts<'a> {
    pub(crate) fn new(attributes: Attributes<'a>) -> Self {
        Self(attributes)
    }

    /// The attributes behind the header of a reply.
    pub(crate) fn of_reply(payload: &'a [u8]) -> Self {
        Self(Attributes::new(payload.get(HEADER..).unwrap_or_default()))
    }

    /// All of them in order.
    pub(crate) fn all(&self) -> Attributes<'a> {
        self.0.clone()
    }

    pub(crate) fn find(&self, kind: u16) -> Option<Attribute<'a>> {
        self.all().find(|attribute| attribute.kind == kind)
    }

    /// The attributes inside one.
    pub(crate) fn nested(&self, kind: u16) -> Option<Self> {
        self.find(kind).map(|found| Self(found.nested()))
    }

    pub(crate) fn text(&self, kind: u16) -> Option<String> {
        self.find(kind).map(|found| found.text())
    }

    pub(crate) fn u16(&self, kind: u16) -> Option<u16> {
        self.fixed(kind).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&self, kind: u16) -> Option<u32> {
        self.fixed(kind).map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&self, kind: u16) -> Option<i32> {
        self.fixed(kind).map(i32::from_be_bytes)
    }

    pub(crate) fn u64(&self, kind: u16) -> Option<u64> {
        self.fixed(kind).map(u64::from_be_bytes)
    }

    fn fixed<const LENGTH: usize>(&self, kind: u16) -> Option<[u8; LENGTH]> {
        self.find(kind)?.value.first_chunk().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_follow_the_four_bytes_of_the_header() {
        let mut reply = vec![1, 0, 0, 9];
        for (kind, value) in [(2u16, &[0u8, 0, 0, 7][..]), (3, b"ab\0\0"), (4, &[1, 2])] {
            reply.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            reply.extend(kind.to_ne_bytes());
            reply.extend(value);
        }
        let parts = Parts::of_reply(&reply);
        assert_eq!((parts.u32(2), parts.i32(2)), (Some(7), Some(7)));
        assert_eq!(parts.text(3).as_deref(), Some("ab"));
        assert_eq!(
            (parts.u64(2), parts.u32(4), parts.u32(9)),
            (None, None, None)
        );
        assert_eq!(parts.all().count(), 3);
    }

    #[test]
    fn a_reply_without_a_whole_header_has_none() {
        assert_eq!(Parts::of_reply(&[1]).all().count(), 0);
    }
}
