//! Comments, which live in the user data the kernel keeps for an object without reading it.
//!
//! The `nft` tool and what is built on it find a comment as a libnftnl record: type, length,
//! bytes, a terminating zero (`libnftnl/udata.h`). Other records may stand beside it.

use thiserror::Error;

/// The record type of comments on tables, chains, rules and elements.
pub(crate) const COMMENT: u8 = 0;

/// The record type of comments on sets, whose type 0 is the byte order of their keys.
pub(crate) const SET_COMMENT: u8 = 7;

/// `NFTNL_UDATA_COMMENT_MAXLEN`: the tool refuses longer ones.
pub const LONGEST_COMMENT: usize = 128;

/// A comment that the `nft` tool could neither write nor read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommentError {
    /// It is longer than [`LONGEST_COMMENT`].
    #[error("comment of {0} bytes is longer than {LONGEST_COMMENT}")]
    TooLong(usize),
    /// Its end would be taken to be at the zero byte.
    #[error("comment contains a zero byte: {0:?}")]
    ZeroByte(String),
}

/// Whether a text can be a comment.
pub(crate) fn check(comment: &str) -> Result<(), CommentError> {
    if comment.len() > LONGEST_COMMENT {
        return Err(CommentError::TooLong(comment.len()));
    }
    if comment.contains('\0') {
        return Err(CommentError::ZeroByte(comment.to_owned()));
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
    fn comments_the_tool_refuses_are_refused() {
        assert_eq!(check(&"a".repeat(128)), Ok(()));
        assert_eq!(check(&"a".repeat(129)), Err(CommentError::TooLong(129)));
        assert!(matches!(check("a\0b"), Err(CommentError::ZeroByte(_))));
    }
}
