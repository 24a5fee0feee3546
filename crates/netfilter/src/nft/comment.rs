//! Comments, which are in the user data that the kernel stores for an object.
//!
//! The `nft` tool reads a comment as a libnftnl record: type, length, bytes, a terminating zero
//! (`libnftnl/udata.h`). Other records may be beside it: a *note* is one for our own programs, which
//! other tools ignore.

use thiserror::Error;

/// The record type of comments on tables, chains, rules and elements.
pub(crate) const COMMENT: u8 = 0;

/// The record type of comments on sets, whose type 0 is the byte order of their keys.
pub(crate) const SET_COMMENT: u8 = 7;

/// The record type of notes, far from those of libnftnl.
pub(crate) const NOTE: u8 = 0xf0;

/// `NFT_USERDATA_MAXLEN` of `linux/netfilter/nf_tables.h`.
const LONGEST_USER_DATA: usize = 256;

/// `NFTNL_UDATA_COMMENT_MAXLEN`: the tool refuses longer ones.
pub const LONGEST_COMMENT: usize = 128;

/// A comment that the `nft` tool cannot write or read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommentError {
    /// It is longer than [`LONGEST_COMMENT`].
    #[error("comment of {0} bytes is longer than {LONGEST_COMMENT}")]
    TooLong(usize),
    /// It would be cut at the zero byte.
    #[error("comment contains a zero byte: {0:?}")]
    ZeroByte(String),
    /// It is longer than the user data that the kernel stores for one object.
    #[error("comment and note of {0} bytes together are longer than {LONGEST_USER_DATA}")]
    TooMuch(usize),
}

/// Checks a comment.
pub(crate) fn check(comment: &str) -> Result<(), CommentError> {
    if comment.len() > LONGEST_COMMENT {
        return Err(CommentError::TooLong(comment.len()));
    }
    if comment.contains('\0') {
        return Err(CommentError::ZeroByte(comment.to_owned()));
    }
    Ok(())
}

/// Checks the comment and the note of one object.
pub(crate) fn check_both(comment: Option<&str>, note: Option<&str>) -> Result<(), CommentError> {
    comment.map_or(Ok(()), check)?;
    let Some(note) = note else { return Ok(()) };
    if note.contains('\0') {
        return Err(CommentError::ZeroByte(note.to_owned()));
    }
    // Each has a type, a length and a zero byte besides.
    let length = comment.map_or(0, |text| text.len() + 3) + note.len() + 3;
    if length > LONGEST_USER_DATA {
        return Err(CommentError::TooMuch(length));
    }
    Ok(())
}

/// Appends a record.
pub(crate) fn append_record(data: &mut Vec<u8>, kind: u8, value: &[u8]) {
    // Callers keep to lengths that were checked or are constants.
    let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
    data.extend([kind, length]);
    data.extend(value.iter().take(usize::from(length)));
}

/// User data that holds a comment alone.
pub(crate) fn user_data(kind: u8, comment: &str) -> Vec<u8> {
    let mut data = Vec::with_capacity(comment.len() + 3);
    append_record(&mut data, kind, &[comment.as_bytes(), &[0]].concat());
    data
}

/// User data that holds a comment and a note, either of which may be missing.
pub(crate) fn user_data_of_both(comment: Option<&str>, note: Option<&str>) -> Vec<u8> {
    let data = |kind, text: Option<&str>| text.map_or_else(Vec::new, |text| user_data(kind, text));
    [data(COMMENT, comment), data(NOTE, note)].concat()
}

/// The comment among the records of user data.
pub(crate) fn find(kind: u8, mut data: &[u8]) -> Option<String> {
    loop {
        let (&[found, length], rest) = data.split_first_chunk()?;
        let value = rest.get(..usize::from(length))?;
        if found == kind {
            let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        data = rest.get(usize::from(length)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_a_record_with_a_terminating_zero() {
        assert_eq!(user_data(COMMENT, "el"), b"\x00\x03el\x00");
        assert_eq!(user_data(SET_COMMENT, ""), b"\x07\x01\x00");
    }

    #[test]
    fn comments_are_found_behind_other_records() {
        let mut data = b"\x01\x02ab".to_vec();
        data.extend(user_data(COMMENT, "mine"));
        assert_eq!(find(COMMENT, &data).as_deref(), Some("mine"));
        assert_eq!(find(SET_COMMENT, &data), None);
    }

    #[test]
    fn comments_without_their_zero_are_read_whole() {
        assert_eq!(find(COMMENT, b"\x00\x02el").as_deref(), Some("el"));
    }

    #[test]
    fn cut_user_data_has_no_comment() {
        for data in [&b""[..], b"\x00", b"\x00\x05el", b"\x01\x09el\x00"] {
            assert_eq!(find(COMMENT, data), None, "{data:?}");
        }
    }

    #[test]
    fn a_note_stands_behind_the_comment() {
        let data = user_data_of_both(Some("c"), Some("n"));
        assert_eq!(data, b"\x00\x02c\x00\xf0\x02n\x00");
        assert_eq!(find(NOTE, &data).as_deref(), Some("n"));
        assert_eq!(user_data_of_both(None, None), b"");
        assert_eq!(
            check_both(Some(&"c".repeat(128)), Some(&"n".repeat(122))),
            Ok(())
        );
        let error = check_both(Some(&"c".repeat(128)), Some(&"n".repeat(123))).unwrap_err();
        assert_eq!(error, CommentError::TooMuch(257));
        assert!(check_both(None, Some("a\0b")).is_err());
    }

    #[test]
    fn comments_the_tool_refuses_are_refused() {
        assert_eq!(check(&"a".repeat(128)), Ok(()));
        assert_eq!(check(&"a".repeat(129)), Err(CommentError::TooLong(129)));
        assert!(matches!(check("a\0b"), Err(CommentError::ZeroByte(_))));
    }
}
