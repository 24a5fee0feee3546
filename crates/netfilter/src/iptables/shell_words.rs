//! The quoting of `iptables -S` and `iptables-restore`: words separated by blanks, some in double
//! quotes, in which a backslash escapes the next character.

/// Characters a word may consist of without quotes (`xtables_save_string` in libxtables).
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_-.,:/+=@%!".contains(character)
}

/// Appends a word to a line, after a blank unless the line is empty.
pub(super) fn append(line: &mut String, word: &str) {
    if !line.is_empty() {
        line.push(' ');
    }
    if !word.is_empty() && word.chars().all(is_plain) {
        line.push_str(word);
        return;
    }
    line.push('"');
    for character in word.chars() {
        if matches!(character, '"' | '\\' | '\'') {
            line.push('\\');
        }
        line.push(character);
    }
    line.push('"');
}

/// Joins words to a line.
pub(super) fn join<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for word in words {
        append(&mut line, word);
    }
    line
}

/// Splits a line into its words.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().extend(characters.next()),
            ' ' | '\t' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay_and_others_are_quoted() {
        let line = join([
            "-A",
            "CNI-x",
            "!",
            "-d",
            "ff00::/8",
            "--comment",
            r#"name: "n""#,
            "",
        ]);
        assert_eq!(line, r#"-A CNI-x ! -d ff00::/8 --comment "name: \"n\"" """#);
    }

    #[test]
    fn lines_come_apart_into_the_words_they_were_made_of() {
        for words in [
            &["-A", "X", "--comment", r#"a "b" \ 'c'"#][..],
            &["", "x"],
            &["schön", "a\tb", "#"],
        ] {
            assert_eq!(split(&join(words.iter().copied())), words);
        }
    }

    #[test]
    fn lines_of_the_tool_come_apart() {
        let line =
            r#"-A POSTROUTING -s 10.1.2.3/32 -m comment --comment "name: \"n\" id: \"c\"" -j X"#;
        let words = split(line);
        assert_eq!(words.len(), 10);
        assert_eq!(words[7], r#"name: "n" id: "c""#);
        assert_eq!(split("  a   b "), ["a", "b"]);
        assert_eq!(split(""), Vec::<String>::new());
    }

    #[test]
    fn an_open_quote_ends_with_the_line() {
        assert_eq!(split(r#"a "b c\"#), ["a", "b c"]);
    }
}
