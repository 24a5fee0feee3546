//! Texts that the kernel or a tool keeps a limited number of bytes of.

/// Shortens `text` to at most `bytes` bytes, between two characters.
///
/// `String::truncate` panics inside a character, and names of interfaces may hold any.
pub fn truncate(text: &mut String, bytes: usize) {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        for (text, bytes, expected) in [
            ("abc", 5, "abc"),
            ("abc", 3, "abc"),
            ("abc", 2, "ab"),
            ("aéb", 2, "a"),
            ("aéb", 3, "aé"),
            ("\u{1f600}", 3, ""),
            ("", 0, ""),
        ] {
            let mut cut = text.to_owned();
            truncate(&mut cut, bytes);
            assert_eq!(cut, expected, "{text} {bytes}");
        }
    }
}
