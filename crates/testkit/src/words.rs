//! Command lines as one string or as a list of words.

use std::ffi::{OsStr, OsString};

/// A command line. A string is split at white space, without quoting; a list is used as it is, for
/// words that contain blanks.
pub trait Words {
    /// The separate words.
    fn words(self) -> Vec<OsString>;
}

impl Words for &str {
    fn words(self) -> Vec<OsString> {
        self.split_whitespace().map(OsString::from).collect()
    }
}

impl Words for String {
    fn words(self) -> Vec<OsString> {
        self.as_str().words()
    }
}

impl Words for &String {
    fn words(self) -> Vec<OsString> {
        self.as_str().words()
    }
}

impl<S: AsRef<OsStr>, const N: usize> Words for [S; N] {
    fn words(self) -> Vec<OsString> {
        self.iter().map(|word| word.as_ref().to_owned()).collect()
    }
}

impl<S: AsRef<OsStr>> Words for &[S] {
    fn words(self) -> Vec<OsString> {
        self.iter().map(|word| word.as_ref().to_owned()).collect()
    }
}

impl<S: AsRef<OsStr>> Words for Vec<S> {
    fn words(self) -> Vec<OsString> {
        self.as_slice().words()
    }
}
