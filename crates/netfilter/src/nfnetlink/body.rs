//! Writing the attributes of a request.

use netlink_packet_core::Emitable;

/// `NLA_F_NESTED`: the value is a list of attributes.
const NESTED: u16 = 0x8000;

/// `NFNETLINK_V0`.
const VERSION: u8 = 0;

/// A request behind `struct nlmsghdr`, or the inside of a nested attribute.
///
/// Numbers are written in network order, as netfilter wants them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body(Vec<u8>);

impl Body {
    /// A request about a protocol family (`NFPROTO_*`).
    pub(crate) fn new(family: u8) -> Self {
        Self::with_resource(family, 0)
    }

    /// A request with the number `struct nfgenmsg` calls resource id.
    pub(crate) fn with_resource(family: u8, resource: u16) -> Self {
        let [high, low] = resource.to_be_bytes();
        Self(vec![family, VERSION, high, low])
    }

    /// Appends an attribute. A value above 64 KiB does not fit into one and makes the kernel
    /// refuse the request; callers split lists before.
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    pub(crate) fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.bytes(kind, &[value])
    }

    pub(crate) fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub(crate) fn u64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Appends a text with its terminating zero byte.
    pub(crate) fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        self.bytes(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// Appends an attribute that holds those `fill` writes.
    pub(crate) fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(kind | NESTED, &inner.0)
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Emitable for Body {
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
    #[cfg(target_endian = "little")]
    fn attributes_are_padded_and_numbers_are_in_network_order() {
        let mut body = Body::with_resource(2, 10);
        body.u8(1, 7)
            .bytes(2, &[0x12, 0x34])
            .u32(3, 1)
            .u64(4, 2)
            .text(5, "ab");
        let expected = [
            [2, 0, 0, 10].as_slice(),
            &[5, 0, 1, 0, 7, 0, 0, 0],
            &[6, 0, 2, 0, 0x12, 0x34, 0, 0],
            &[8, 0, 3, 0, 0, 0, 0, 1],
            &[12, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 2],
            &[7, 0, 5, 0, b'a', b'b', 0, 0],
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
        let mut body = Body::default();
        body.nested(4, |inner| {
            inner.u8(1, 9);
        });
        assert_eq!(body.0, [12, 0, 4, 0x80, 5, 0, 1, 0, 9, 0, 0, 0]);
    }

    #[test]
    fn a_value_too_long_for_an_attribute_does_not_panic() {
        let mut body = Body::default();
        body.bytes(1, &vec![0; 70_000]);
        assert_eq!(body.0.get(..2), Some(&u16::MAX.to_ne_bytes()[..]));
    }
}
