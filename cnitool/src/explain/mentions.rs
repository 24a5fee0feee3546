//! Whether a text mentions a name as a whole word.

/// Whether `word` stands in `text` with nothing beside it that could belong to a longer name or address.
pub(super) fn mentions(text: &str, word: &str) -> bool {
    let belongs = |letter: char| {
        letter.is_alphanumeric() || "_.-".contains(letter) || (letter == ':' && word.contains(':'))
    };
    !word.is_empty()
        && text.match_indices(word).any(|(start, found)| {
            let before = text
                .get(..start)
                .and_then(|before| before.chars().next_back());
            let after = text
                .get(start + found.len()..)
                .and_then(|after| after.chars().next());
            !before.is_some_and(belongs) && !after.is_some_and(belongs)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_count() {
        for (text, word) in [
            (r#"id: "c1""#, "c1"),
            ("-s 10.1.0.5/32", "10.1.0.5"),
            ("--to-destination 10.1.0.5:80", "10.1.0.5"),
            ("[fd00::5]:80", "fd00::5"),
            ("c10 c1", "c1"),
        ] {
            assert!(mentions(text, word), "{text}");
        }
        for (text, word) in [
            (r#"id: "c10""#, "c1"),
            ("10.1.0.55", "10.1.0.5"),
            ("110.1.0.5", "10.1.0.5"),
            ("fd00::5:1", "fd00::5"),
            ("anything", ""),
        ] {
            assert!(!mentions(text, word), "{text}");
        }
    }
}
