//! Types of sets and maps.

use super::comment;
use super::field::{ByteOrder, DataType};
use ferrule_kernel::netlink::AttributeWriter;

/// The bits a type takes in the number of a concatenation.
const TYPE_BITS: u32 = 6;

/// `enum nft_set_flags`.
const ANONYMOUS: u32 = 0x01;
const CONSTANT: u32 = 0x02;
const INTERVAL: u32 = 0x04;
const MAP: u32 = 0x08;
const CONCATENATION: u32 = 0x80;

/// `enum nft_set_attributes`, from `KEY_TYPE` on.
const FLAGS: u16 = 3;
pub(super) const KEY_TYPE: u16 = 4;
const KEY_LENGTH: u16 = 5;
pub(super) const DATA_TYPE: u16 = 6;
const DATA_LENGTH: u16 = 7;
const DESCRIPTION: u16 = 9;
const ID: u16 = 10;
const USER_DATA: u16 = 13;

/// `enum nft_set_desc_attributes` and `nft_set_field_attributes`.
const DESCRIPTION_CONCATENATION: u16 = 2;
const LIST_ELEMENT: u16 = 1;
const FIELD_LENGTH: u16 = 1;

/// Records of a set's user data (`enum nftnl_udata_set_types` of libnftnl): without them the
/// `nft` tool prints keys and data with their bytes reversed.
const KEY_BYTE_ORDER: u8 = 0;
const DATA_BYTE_ORDER: u8 = 1;

/// The type of a set or map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetLayout<'a> {
    /// The types of a key's parts, in order.
    pub key: &'a [DataType],
    /// The data of a key.
    pub data: SetData<'a>,
    /// Whether parts of a key may be ranges. Needs at least two parts (kernel 5.6).
    pub ranges: bool,
    /// A comment on the set.
    pub comment: Option<&'a str>,
}

/// The data of the keys of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetData<'a> {
    /// Nothing: a set.
    Nothing,
    /// Values: a map.
    Values(&'a [DataType]),
}

impl<'a> SetLayout<'a> {
    /// A set of keys.
    pub const fn set(key: &'a [DataType]) -> Self {
        Self {
            key,
            data: SetData::Nothing,
            ranges: false,
            comment: None,
        }
    }

    /// A map from keys to values.
    pub const fn map(key: &'a [DataType], data: &'a [DataType]) -> Self {
        Self {
            data: SetData::Values(data),
            ..Self::set(key)
        }
    }

    /// Lets parts of a key be ranges.
    #[must_use]
    pub const fn with_ranges(self) -> Self {
        Self {
            ranges: true,
            ..self
        }
    }

    /// Adds a comment.
    #[must_use]
    pub const fn with_comment(self, comment: &'a str) -> Self {
        Self {
            comment: Some(comment),
            ..self
        }
    }

    /// Appends everything but the names.
    pub(crate) fn append_to(&self, body: &mut AttributeWriter, id: u32, anonymous: bool) {
        let mut flags = 0;
        if anonymous {
            flags |= ANONYMOUS | CONSTANT;
        }
        if self.ranges {
            flags |= INTERVAL;
            if self.key.len() > 1 {
                flags |= CONCATENATION;
            }
        }
        if self.data != SetData::Nothing {
            flags |= MAP;
        }
        body.be_u32(FLAGS, flags);
        body.be_u32(KEY_TYPE, type_number(self.key))
            .be_u32(KEY_LENGTH, length(self.key));
        match self.data {
            SetData::Nothing => {}
            SetData::Values(data) => {
                body.be_u32(DATA_TYPE, type_number(data))
                    .be_u32(DATA_LENGTH, length(data));
            }
        }
        if flags & CONCATENATION != 0 {
            self.append_description(body);
        }
        body.be_u32(ID, id).bytes(USER_DATA, &self.user_data());
    }

    /// Appends the lengths of a key's parts, which the kernel must know to compare ranges.
    fn append_description(&self, body: &mut AttributeWriter) {
        body.nested(DESCRIPTION, |description| {
            description.nested(DESCRIPTION_CONCATENATION, |parts| {
                for part in self.key {
                    parts.nested(LIST_ELEMENT, |field| {
                        field.be_u32(FIELD_LENGTH, part.length());
                    });
                }
            });
        });
    }

    fn user_data(&self) -> Vec<u8> {
        let mut data = Vec::new();
        let mut order = |record, order: ByteOrder| {
            comment::append_record(&mut data, record, &(order as u32).to_ne_bytes());
        };
        order(KEY_BYTE_ORDER, byte_order(self.key));
        if let SetData::Values(values) = self.data {
            order(DATA_BYTE_ORDER, byte_order(values));
        }
        if let Some(text) = self.comment {
            data.extend(comment::user_data(comment::SET_COMMENT, text));
        }
        data
    }
}

/// The number of a type, or of a concatenation: each type below the one before.
fn type_number(types: &[DataType]) -> u32 {
    types
        .iter()
        .fold(0, |number, part| (number << TYPE_BITS) | part.number())
}

/// The types of a concatenation with this number, in order; `None` for an unknown one.
pub(super) fn types_of_number(number: u32) -> Vec<Option<DataType>> {
    let parts = (0..u32::BITS).step_by(TYPE_BITS as usize);
    let mut types: Vec<Option<DataType>> = parts
        .map(|shift| number >> shift & ((1 << TYPE_BITS) - 1))
        .take_while(|part| *part > 0)
        .map(DataType::from_number)
        .collect();
    types.reverse();
    types
}

/// The bytes of a key or of data.
fn length(types: &[DataType]) -> u32 {
    match types {
        [single] => single.length(),
        several => several.iter().map(|part| part.padded_length()).sum(),
    }
}

fn byte_order(types: &[DataType]) -> ByteOrder {
    match types {
        [single] => single.byte_order(),
        _ => ByteOrder::None,
    }
}
