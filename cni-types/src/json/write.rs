//! JSON text as Go's encoder writes it.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// Indented by four blanks, no newline at the end: how plugins print results and errors.
pub fn to_pretty(value: &impl Serialize) -> String {
    to_text(value, PrettyFormatter::with_indent(b"    "))
}

/// One line, no blanks.
pub fn to_compact(value: &impl Serialize) -> String {
    to_text(value, CompactFormatter)
}

fn to_text(value: &impl Serialize, layout: impl Formatter) -> String {
    let mut bytes = Vec::with_capacity(512);
    let mut serializer = Serializer::with_formatter(&mut bytes, HtmlSafe(layout));
    // Fails only for maps whose keys are no strings, which no type of the protocol has.
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

/// Escapes what Go escapes beyond the JSON standard: `<`, `>`, `&`, U+2028 and U+2029.
struct HtmlSafe<F>(F);

/// Hands calls on to the layout.
macro_rules! forward {
    ($($method:ident($($arg:ident: $type:ty),*))*) => {$(
        fn $method<W: ?Sized + io::Write>(&mut self, writer: &mut W $(, $arg: $type)*) -> io::Result<()> {
            self.0.$method(writer $(, $arg)*)
        }
    )*};
}

impl<F: Formatter> Formatter for HtmlSafe<F> {
    forward! {
        begin_array() end_array() begin_array_value(first: bool) end_array_value()
        begin_object() end_object() begin_object_key(first: bool) end_object_key()
        begin_object_value() end_object_value()
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let special = |c: char| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        let mut rest = fragment;
        while let Some(at) = rest.find(special) {
            let (plain, tail) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut tail = tail.chars();
            if let Some(c) = tail.next() {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            }
            rest = tail.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_escaped_as_go_does() {
        assert_eq!(
            to_compact(&json!({"a": "<b>&\u{2028}\u{2029}\"\n\u{e4}"})),
            r#"{"a":"\u003cb\u003e\u0026\u2028\u2029\"\n"#.to_owned() + "\u{e4}\"}"
        );
    }

    #[test]
    fn the_indent_is_four_blanks_and_empty_things_stay_on_their_line() {
        assert_eq!(
            to_pretty(&json!({"a": [1], "b": {}, "c": []})),
            "{\n    \"a\": [\n        1\n    ],\n    \"b\": {},\n    \"c\": []\n}"
        );
    }
}
