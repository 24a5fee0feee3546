//! Replaces what Go's decoder accepts and `serde_json` refuses: invalid UTF-8 and lone surrogates.

use std::borrow::Cow;

/// Bytes as text, with U+FFFD for invalid UTF-8 and for escapes of lone surrogates.
pub(super) fn fix_surrogates(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) if !text.contains("\\u") => Cow::Borrowed(text),
        text => Cow::Owned(replace_lone_surrogates(&text)),
    }
}

/// Reads untyped JSON: keys keep their case, the last of a repeated key wins.
pub fn read_value(bytes: &[u8]) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_str(&fix_surrogates(bytes))
}

fn replace_lone_surrogates(text: &str) -> String {
    let mut repaired = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        repaired.push_str(before);
        let (kept, length) = match escaped_unit(escape) {
            // A high surrogate is whole only with a low one behind it.
            Some(0xd800..=0xdbff) => match escape.get(6..).and_then(escaped_unit) {
                Some(0xdc00..=0xdfff) => (escape.get(..12), 12),
                _ => (Some("\\ufffd"), 6),
            },
            Some(0xdc00..=0xdfff) => (Some("\\ufffd"), 6),
            Some(_) => (escape.get(..6), 6),
            // Another escape: two characters, so that "\\\\u" is not taken for an escape.
            None => {
                let length = escape
                    .char_indices()
                    .nth(2)
                    .map_or(escape.len(), |(at, _)| at);
                (escape.get(..length), length)
            }
        };
        repaired.push_str(kept.unwrap_or_default());
        rest = escape.get(length..).unwrap_or_default();
    }
    repaired.push_str(rest);
    repaired
}

/// The number of a `\uXXXX` escape at the beginning of `text`.
fn escaped_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lone_surrogates_are_replaced() {
        for (written, read) in [
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\\ud83d""#, "\\ud83d"),
            (r#""\u0041\n\"""#, "A\n\""),
        ] {
            assert_eq!(read_value(written.as_bytes()).unwrap(), read, "{written}");
        }
        assert_eq!(read_value(b"\"a\xffb\"").unwrap(), "a\u{fffd}b");
    }

    #[test]
    fn broken_escapes_stay_errors() {
        for bad in [
            &b"\"\\u12\""[..],
            b"\"\\",
            b"\"\\ud83d",
            "\"\\ä\"".as_bytes(),
            b"\"\\ud8\xff\"",
        ] {
            assert!(read_value(bad).is_err());
        }
    }
}
