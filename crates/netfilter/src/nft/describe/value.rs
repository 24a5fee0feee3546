//! Values of fields, as the `nft` tool prints them.

use std::fmt::Write as _;

use super::super::element::Key;
use super::super::field::{DataType, Field, Transport, address};
use ferrule_kernel::Family;

/// How the bytes of a value are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Address,
    /// A number in network order.
    Number,
    /// A number in the host's order.
    HostNumber,
    Transport,
    Interface,
    Mac,
    /// `NFPROTO_*`
    Family,
    /// Bits with names.
    Bits(&'static [(u32, &'static str)]),
    /// `RTN_*`
    AddressType,
    Bytes,
}

/// The parts of a key or of data, each of which begins at a multiple of four.
pub(super) fn values(key: &Key, types: &[Option<DataType>]) -> String {
    let bytes = key.as_bytes();
    let Some(types) = types.iter().copied().collect::<Option<Vec<DataType>>>() else {
        return hex(bytes);
    };
    let mut rest = bytes;
    let mut texts = Vec::new();
    for part in types {
        let length = (part.length() as usize).min(rest.len());
        let (value, _) = rest.split_at(length);
        texts.push(value_text(kind_of(part), value));
        let padded = (part.padded_length() as usize).min(rest.len());
        rest = rest.split_at(padded).1;
    }
    texts.join(" . ")
}

fn kind_of(data: DataType) -> Kind {
    match data {
        DataType::Address(_) => Kind::Address,
        DataType::Transport => Kind::Transport,
        DataType::Port => Kind::Number,
        DataType::Interface => Kind::Interface,
        DataType::Mark => Kind::HostNumber,
    }
}

pub(super) fn value_text(kind: Kind, bytes: &[u8]) -> String {
    let number = || {
        bytes
            .iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let host_number = || <[u8; 4]>::try_from(bytes).ok().map(u32::from_ne_bytes);
    let text = match kind {
        Kind::Address => address(bytes).map(|address| address.to_string()),
        Kind::Number if bytes.len() <= 8 => Some(number().to_string()),
        Kind::HostNumber => host_number().map(|number| format!("{number:#x}")),
        Kind::Transport => match bytes {
            [number] => Some(transport(*number)),
            _ => None,
        },
        Kind::Interface => {
            let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            let wildcard = if bytes.contains(&0) { "" } else { "*" };
            Some(format!("\"{}{wildcard}\"", String::from_utf8_lossy(name)))
        }
        Kind::Mac => {
            let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Some(digits.join(":"))
        }
        Kind::Family => match bytes {
            [2] => Some("ipv4".to_owned()),
            [10] => Some("ipv6".to_owned()),
            _ => None,
        },
        Kind::AddressType => host_number().map(|number| match number {
            1 => "unicast".to_owned(),
            2 => "local".to_owned(),
            3 => "broadcast".to_owned(),
            5 => "multicast".to_owned(),
            other => other.to_string(),
        }),
        Kind::Bits(names) => Some(bits(names, bytes)),
        Kind::Number | Kind::Bytes => None,
    };
    text.unwrap_or_else(|| hex(bytes))
}

fn transport(number: u8) -> String {
    match (Transport::numbered(number), number) {
        (Some(known), _) => known.name().to_owned(),
        (None, 1) => "icmp".to_owned(),
        (None, 58) => "ipv6-icmp".to_owned(),
        (None, other) => other.to_string(),
    }
}

/// The names of the bits that are set.
pub(super) fn bits(names: &[(u32, &str)], bytes: &[u8]) -> String {
    let Ok(bytes) = <[u8; 4]>::try_from(bytes) else {
        return hex(bytes);
    };
    let set = u32::from_ne_bytes(bytes);
    let known = names.iter().filter(|(bit, _)| set & bit != 0);
    let known: Vec<&str> = known.map(|(_, name)| *name).collect();
    if known.is_empty() {
        return format!("{set:#x}");
    }
    known.join(",")
}

/// The length of the prefix whose mask this is.
pub(super) fn prefix(mask: &[u8]) -> Option<u32> {
    let ones: u32 = mask.iter().map(|byte| byte.leading_ones()).sum();
    let all: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let leading = mask
        .iter()
        .position(|byte| *byte != 0xff)
        .unwrap_or(mask.len());
    let rest = mask.get(leading + 1..).unwrap_or_default();
    (ones == all && rest.iter().all(|byte| *byte == 0)).then_some(ones)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl DataType {
    /// The type of this number (see [`DataType`]).
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        [
            Field::Source(Family::V4),
            Field::Source(Family::V6),
            Field::Transport,
            Field::DestinationPort,
            Field::InInterface,
            Field::Mark,
        ]
        .map(Field::data_type)
        .into_iter()
        .find(|one| one.number() == number)
    }
}
