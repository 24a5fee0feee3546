//! The operating system's error texts as runtimes match on them: in lower case, without a number.

use std::io;

use nix::errno::Errno;

/// `no such file or directory`; errors that are not the kernel's keep their words.
pub fn os_text(error: &io::Error) -> String {
    let text = match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    };
    lower_first(&text)
}

/// Lower-cases the first letter unless it begins an abbreviation ("I/O error", "RFS …").
fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.as_str()) {
        (Some(first), rest) if rest.starts_with(|c: char| c.is_lowercase() || c == ' ') => {
            format!("{}{rest}", first.to_lowercase())
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_case_and_abbreviations_stay() {
        let text = |errno: Errno| os_text(&io::Error::from(errno));
        assert_eq!(text(Errno::ENOENT), "no such file or directory");
        assert_eq!(text(Errno::EACCES), "permission denied");
        assert_eq!(text(Errno::EIO), "I/O error");
        assert_eq!(os_text(&io::Error::other("Odd thing")), "odd thing");
    }
}
