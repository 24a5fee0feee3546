//! Elements of sets and maps.

use super::comment;
use super::decode::{self, Data};
use super::encode;
use super::field::Value;
use ferrule_kernel::netlink::{AttributeWriter, Attributes};

/// `NFTA_LIST_ELEM`.
const LIST_ELEMENT: u16 = 1;

/// `enum nft_set_elem_attributes`.
const KEY: u16 = 1;
const DATA: u16 = 2;
const USER_DATA: u16 = 6;
const KEY_END: u16 = 10;

/// A key, or the data of a map's element, as the kernel keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// Concatenates values.
    pub fn new(values: &[Value<'_>]) -> Self {
        let mut bytes = Vec::new();
        for value in values {
            value.append_to(&mut bytes);
            if values.len() > 1 {
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
        }
        Self(bytes)
    }

    /// The bytes: every value in network order (marks in the host's), padded to words if there
    /// are several.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An element of a set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its key, or the first key of a range.
    pub key: Key,
    /// The last key of a range, part by part.
    pub last: Option<Key>,
    /// The data of a map's element.
    pub data: Option<Key>,
    /// A comment on the element; other tools show it, and it can say who owns the element.
    pub comment: Option<String>,
    /// Text for programs beside the comment, which other tools do not show.
    pub note: Option<String>,
}

impl Element {
    /// An element of a set.
    pub fn new(key: &[Value<'_>]) -> Self {
        Self {
            key: Key::new(key),
            last: None,
            data: None,
            comment: None,
            note: None,
        }
    }

    /// Makes it the range up to and including a key.
    #[must_use]
    pub fn up_to(self, last: &[Value<'_>]) -> Self {
        Self {
            last: Some(Key::new(last)),
            ..self
        }
    }

    /// Sets the data of a map's element.
    #[must_use]
    pub fn with_data(self, values: &[Value<'_>]) -> Self {
        Self {
            data: Some(Key::new(values)),
            ..self
        }
    }

    /// Adds a comment.
    #[must_use]
    pub fn with_comment(self, comment: &str) -> Self {
        Self {
            comment: Some(comment.to_owned()),
            ..self
        }
    }

    /// Adds a note.
    #[must_use]
    pub fn with_note(self, note: &str) -> Self {
        Self {
            note: Some(note.to_owned()),
            ..self
        }
    }

    /// Appends it to a list of elements; `key_only` for requests that find elements by key.
    pub(crate) fn append_to(&self, list: &mut AttributeWriter, key_only: bool) {
        list.nested(LIST_ELEMENT, |element| {
            encode::append_value(element, KEY, self.key.as_bytes());
            if let Some(last) = &self.last {
                encode::append_value(element, KEY_END, last.as_bytes());
            }
            if key_only {
                return;
            }
            if let Some(values) = &self.data {
                encode::append_value(element, DATA, values.as_bytes());
            }
            let data = comment::user_data_of_both(self.comment.as_deref(), self.note.as_deref());
            if !data.is_empty() {
                element.bytes(USER_DATA, &data);
            }
        });
    }

    /// Reads an element of a reply.
    pub(crate) fn parse(attributes: Attributes<'_>) -> Option<Self> {
        let mut element = Self::new(&[]);
        let mut found = false;
        for attribute in attributes {
            match (attribute.kind, decode::data(&attribute.nested())) {
                (KEY, Some(Data::Value(bytes))) => {
                    element.key = Key(bytes);
                    found = true;
                }
                (KEY_END, Some(Data::Value(bytes))) => element.last = Some(Key(bytes)),
                (DATA, Some(Data::Value(bytes))) => element.data = Some(Key(bytes)),
                (USER_DATA, _) => {
                    element.comment = comment::find(comment::COMMENT, attribute.value);
                    element.note = comment::find(comment::NOTE, attribute.value);
                }
                _ => {}
            }
        }
        found.then_some(element)
    }
}
