//! Values as bytes (D-Bus specification, "Marshaling (Wire Format)").

/// Writes values, each at a multiple of its own size.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    pub(super) fn number(&mut self, number: usize) {
        self.align(4);
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.0.extend(number.to_ne_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    pub(super) fn signature(&mut self, text: &str) {
        self.0.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }
}

/// Reads values in the byte order of the message.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    big: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            big: bytes.first() == Some(&b'B'),
        }
    }

    pub(super) fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        self.align(4);
        let bytes = *self.take(4)?.first_chunk()?;
        Some(if self.big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let length = self.number()? as usize;
        self.terminated(length)
    }

    pub(super) fn signature(&mut self) -> Option<String> {
        let length = usize::from(self.byte()?);
        self.terminated(length)
    }

    fn terminated(&mut self, length: usize) -> Option<String> {
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        (self.byte()? == 0).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_at_multiples_of_their_size() {
        let mut writer = Writer::default();
        writer.signature("s");
        writer.text("ab");
        writer.number(1);
        writer.align(8);
        let mut expected = vec![1, b's', 0, 0];
        expected.extend(2u32.to_ne_bytes());
        expected.extend(b"ab\0\0");
        expected.extend(1u32.to_ne_bytes());
        assert_eq!(writer.0, expected);
    }

    #[test]
    fn values_are_read_in_either_byte_order() {
        let big = [b'B', 0, 0, 0, 0, 0, 0, 2, b'a', b'b', 0];
        let mut reader = Reader::new(&big);
        assert_eq!(reader.byte(), Some(b'B'));
        assert_eq!(reader.text().as_deref(), Some("ab"));
        let little = [b'l', 0, 0, 0, 7, 0, 0, 0];
        let mut reader = Reader::new(&little);
        reader.at = 1;
        assert_eq!((reader.number(), reader.byte()), (Some(7), None));
    }

    #[test]
    fn what_is_cut_or_not_terminated_is_nothing() {
        for bytes in [
            &b"l"[..],
            b"l\0\0\0\x05\0\0\0ab\0",
            b"l\0\0\0\x01\0\0\0abc",
            b"l\0\0\0\xff\xff\xff\xff",
        ] {
            let mut reader = Reader::new(bytes);
            reader.at = 4;
            assert_eq!(reader.text(), None, "{bytes:?}");
        }
    }
}
