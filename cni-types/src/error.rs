//! The error object of the protocol and its codes.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Error codes: those of the specification's table and the two that the Go library adds (8 and 999).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    /// The plugin does not support the configuration's version.
    IncompatibleVersion = 1,
    /// A configuration field, named in the message, is not supported.
    UnsupportedField = 2,
    /// The container is unknown; the runtime need not clean up.
    UnknownContainer = 3,
    /// A required environment variable, named in the message, is missing or wrong.
    InvalidEnvironment = 4,
    /// Reading or writing failed.
    Io = 5,
    /// The configuration could not be decoded.
    Decode = 6,
    /// The configuration makes no sense.
    InvalidConfig = 7,
    /// The container's network namespace is the plugin's own.
    SameNamespace = 8,
    /// A transient condition; the runtime should try again.
    TryAgain = 11,
    /// STATUS: an ADD could not be served now.
    NotAvailable = 50,
    /// STATUS: as 50, and running containers may have limited connectivity too.
    LimitedConnectivity = 51,
    /// Any other failure, as the Go plugins report it.
    Internal = 999,
}

/// The most that is printed of a message, of details or of a log line, in bytes.
const MAX_TEXT_BYTES: usize = 4096;
/// How much of a longer text is kept from its end.
const END_BYTES: usize = 1024;

/// The error object a failing plugin prints: `{"code": …, "msg": …, "details": …}`.
///
/// `msg` names object, step and cause of the failure; `details` gives the next action where it is not
/// obvious. Runtimes print `msg; details`, or `msg` alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// See [`Code`]; plugins of others may use any number from 100 upwards.
    #[serde(default)]
    pub code: u32,
    /// What failed.
    #[serde(default)]
    pub msg: String,
    /// More about the failure, or the next action. Not printed when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
}

impl Error {
    /// An error without details.
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self {
            code: code as u32,
            msg: msg.into(),
            details: String::new(),
        }
    }

    /// A failure with no code of its own.
    pub fn internal(msg: impl fmt::Display) -> Self {
        Self::new(Code::Internal, msg.to_string())
    }

    /// The same error with `details`, replacing earlier ones.
    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// The same error, with the failed action in front of its message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.msg = format!("{doing}: {}", self.msg);
        self
    }

    /// Adds a further sentence to the details.
    pub fn push_details(&mut self, more: impl fmt::Display) {
        if !self.details.is_empty() {
            self.details.push_str("; ");
        }
        self.details.push_str(&more.to_string());
    }

    /// Joins the failures of steps that did not stop each other. The code is the first one, but "try
    /// again" only if that holds for all.
    pub fn join(outcomes: impl IntoIterator<Item = Result<(), Self>>) -> Result<(), Self> {
        let retry = Code::TryAgain as u32;
        let errors = outcomes.into_iter().filter_map(Result::err);
        let joined = errors.reduce(|mut all, next| {
            all.push_details(format_args!("also: {next}"));
            if all.code == retry {
                all.code = next.code;
            }
            all
        });
        joined.map_or(Ok(()), Err)
    }

    /// The object as plugins print it: indented by four blanks, no newline at the end. Long texts lose
    /// their middle: some quote the request, which may have megabytes.
    pub fn to_json(&self) -> String {
        crate::json::to_pretty(&Self {
            code: self.code,
            msg: bounded(&self.msg).into_owned(),
            details: bounded(&self.details).into_owned(),
        })
    }
}

/// The text, without its middle if it is longer than 4096 bytes: what failed is at the start, the cause
/// at the end. Both are cut between characters.
pub fn bounded(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_TEXT_BYTES {
        return Cow::Borrowed(text);
    }
    let start = (0..=MAX_TEXT_BYTES - END_BYTES)
        .rev()
        .find_map(|end| text.get(..end));
    let end = (text.len() - END_BYTES..text.len()).find_map(|start| text.get(start..));
    let (start, end) = (start.unwrap_or_default(), end.unwrap_or_default());
    Cow::Owned(format!("{start} … ({} bytes in all) … {end}", text.len()))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.msg)?;
        if !self.details.is_empty() {
            write!(f, "; {}", self.details)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_left_out_when_empty_and_shown_after_a_semicolon() {
        let plain = Error::new(Code::InvalidConfig, "missing network name");
        assert_eq!(
            plain.to_json(),
            "{\n    \"code\": 7,\n    \"msg\": \"missing network name\"\n}"
        );
        assert_eq!(plain.to_string(), "missing network name");
        assert_eq!(
            plain.details("add one").to_string(),
            "missing network name; add one"
        );
    }

    #[test]
    fn texts_without_end_are_cut_between_characters() {
        for (piece, fits, start, end) in [
            ("x", 4096, 3072, 1024),
            ("é", 2048, 1536, 512),
            ("€", 1365, 1024, 341),
        ] {
            let whole = Error::new(Code::Io, piece.repeat(fits)).details(piece.repeat(fits));
            let printed: Error = serde_json::from_str(&whole.to_json()).unwrap();
            assert_eq!(printed, whole);
            let long = Error::new(Code::Io, piece.repeat(100_000)).details(piece.repeat(fits + 1));
            let printed: Error = serde_json::from_str(&long.to_json()).unwrap();
            let cut = |bytes: usize| {
                let (start, end) = (piece.repeat(start), piece.repeat(end));
                format!("{start} … ({bytes} bytes in all) … {end}")
            };
            assert_eq!(printed.msg, cut(piece.len() * 100_000));
            assert_eq!(printed.details, cut(piece.len() * (fits + 1)));
        }
    }

    #[test]
    fn joined_errors_keep_the_first_code_and_every_text() {
        let join = |errors: Vec<Error>| Error::join(errors.into_iter().map(Err));
        let all = join(vec![Error::new(Code::Io, "a"), Error::internal("b")]).unwrap_err();
        assert_eq!((all.code, all.to_string().as_str()), (5, "a; also: b"));
        assert_eq!(join(vec![]), Ok(()));
        let held = || Error::new(Code::TryAgain, "held");
        for (last, code) in [
            (held(), Code::TryAgain),
            (Error::internal("c"), Code::Internal),
        ] {
            let all = join(vec![held(), held(), last]).unwrap_err();
            assert_eq!(all.code, code as u32);
        }
    }
}
