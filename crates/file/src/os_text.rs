//! The operating system's error texts in this project's spelling.
//!
//! Container runtimes match on some texts ("no such file or directory"), and the C libraries differ
//! in detail. So the text comes from one table, with its first letter in lower case, followed by the
//! number.

use std::io;

use nix::errno::Errno;

/// `file exists (os error 17)`.
pub fn errno_text(errno: Errno) -> String {
    let number = errno as i32;
    format!("{} (os error {number})", lower_first(errno.desc()))
}

/// The text of an error of the standard library: as [`errno_text`] if it comes from the kernel.
pub fn io_text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => errno_text(Errno::from_raw(number)),
        None => os_text(error),
    }
}

/// As [`io_text`], without the number: `no such file or directory`.
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
    let Some(first) = letters.next() else {
        return String::new();
    };
    let rest = letters.as_str();
    if rest.starts_with(|next: char| next.is_lowercase() || next == ' ') {
        format!("{}{rest}", first.to_lowercase())
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_runtimes_match_on_are_lower_case() {
        assert_eq!(
            errno_text(Errno::ENOENT),
            "no such file or directory (os error 2)"
        );
        assert_eq!(errno_text(Errno::EEXIST), "file exists (os error 17)");
    }

    #[test]
    fn abbreviations_keep_their_case() {
        assert_eq!(errno_text(Errno::EIO), "I/O error (os error 5)");
    }

    #[test]
    fn errors_of_the_library_itself_are_lowered_too() {
        let error = io::Error::other("Something else");
        assert_eq!(io_text(&error), "something else");
        assert_eq!(os_text(&error), "something else");
    }

    #[test]
    fn the_number_can_be_left_out() {
        let error = io::Error::from(Errno::ENOENT);
        assert_eq!(os_text(&error), "no such file or directory");
    }
}
