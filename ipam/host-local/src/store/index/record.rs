//! The bytes of the index file: one header, then slots of equal size.
//!
//! Numbers are little-endian. Header and slots end in a checksum of what is before it, a slot's
//! over its position as well, so that neither zeros nor anything else damaged is taken for
//! something written.

use std::net::IpAddr;

use crate::range::{address, number};

/// First bytes of the file; the last one is the version of the format.
const MAGIC: u64 = u64::from_le_bytes(*b"ferrule\x01");

/// Size of the header.
pub(super) const HEADER_BYTES: usize = 72;

/// More slots than anybody has addresses for.
const MAX_CAPACITY: u64 = 1 << 32;

/// Size of a slot.
pub(super) const SLOT_BYTES: usize = 32;

/// Which state of which folder an index is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Signature {
    /// The device of the folder's file system.
    pub(in crate::store) device: u64,
    /// The folder's inode number.
    pub(in crate::store) inode: u64,
    /// The folder's time of modification: seconds since 1970.
    pub(in crate::store) seconds: i64,
    /// Its nanoseconds.
    pub(in crate::store) nanoseconds: i64,
}

/// What the file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Fingerprint of the boot id.
    pub(super) boot: u64,
    /// What the index is about.
    pub(super) signature: Signature,
    /// Number of slots, a power of two.
    pub(super) capacity: u64,
    /// Slots that are not empty, deleted ones included.
    pub(super) used: u64,
}

/// One place of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Never used: a search ends here.
    Empty,
    /// Used once: a search goes on.
    Deleted,
    /// A reservation.
    Held(Entry),
}

/// A reservation by the container with this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Entry {
    /// Fingerprint of the container id.
    pub(in crate::store) key: u64,
    /// The reserved address.
    pub(in crate::store) address: IpAddr,
}

impl Header {
    /// The header as bytes.
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let signature = self.signature;
        let words = [
            MAGIC,
            self.boot,
            signature.device,
            signature.inode,
            signature.seconds.cast_unsigned(),
            signature.nanoseconds.cast_unsigned(),
            self.capacity,
            self.used,
        ];
        let mut bytes = [0; HEADER_BYTES];
        let (body, check) = bytes.split_at_mut(HEADER_BYTES - 8);
        for (place, word) in body.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        check.copy_from_slice(&fingerprint(body).to_le_bytes());
        bytes
    }

    /// Reads a header; none if it is damaged or another format's.
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let mut words = bytes.chunks_exact(8).map(|word| {
            let word = word.first_chunk().copied().unwrap_or_default();
            u64::from_le_bytes(word)
        });
        let mut next = || words.next();
        let magic = next()?;
        let header = Self {
            boot: next()?,
            signature: Signature {
                device: next()?,
                inode: next()?,
                seconds: next()?.cast_signed(),
                nanoseconds: next()?.cast_signed(),
            },
            capacity: next()?,
            used: next()?,
        };
        let body = bytes.get(..HEADER_BYTES - 8)?;
        let sound = magic == MAGIC
            && next()? == fingerprint(body)
            && header.capacity.is_power_of_two()
            && header.capacity <= MAX_CAPACITY
            && header.used <= header.capacity;
        sound.then_some(header)
    }
}

const EMPTY: u8 = 1;
const DELETED: u8 = 2;
const IPV4: u8 = 4;
const IPV6: u8 = 6;

impl Slot {
    /// The slot as bytes, for this position.
    pub(super) fn encode(self, position: u64) -> [u8; SLOT_BYTES] {
        let (kind, key, value) = match self {
            Self::Empty => (EMPTY, 0, 0),
            Self::Deleted => (DELETED, 0, 0),
            Self::Held(Entry { key, address }) => {
                let kind = if address.is_ipv4() { IPV4 } else { IPV6 };
                (kind, key, number(address))
            }
        };
        let mut bytes = [0; SLOT_BYTES];
        let fields = key
            .to_le_bytes()
            .into_iter()
            .chain(value.to_le_bytes())
            .chain([kind, 0, 0, 0])
            .chain(checksum(kind, key, value, position).to_le_bytes());
        for (place, byte) in bytes.iter_mut().zip(fields) {
            *place = byte;
        }
        bytes
    }

    /// Reads the slot at this position; none if it is damaged.
    pub(super) fn decode(bytes: &[u8], position: u64) -> Option<Self> {
        let (key, rest) = bytes.split_first_chunk()?;
        let (value, rest) = rest.split_first_chunk()?;
        let (&[kind, blank @ ..], check): (&[u8; 4], _) = rest.split_first_chunk()?;
        let key = u64::from_le_bytes(*key);
        let value = u128::from_le_bytes(*value);
        let check = u32::from_le_bytes(*check.first_chunk()?);
        if blank != [0; 3] || check != checksum(kind, key, value, position) {
            return None;
        }
        let held = |family: IpAddr| {
            Self::Held(Entry {
                key,
                address: address(value, family),
            })
        };
        match kind {
            EMPTY => Some(Self::Empty),
            DELETED => Some(Self::Deleted),
            IPV4 => Some(held(std::net::Ipv4Addr::UNSPECIFIED.into())),
            IPV6 => Some(held(std::net::Ipv6Addr::UNSPECIFIED.into())),
            _ => None,
        }
    }
}

fn checksum(kind: u8, key: u64, value: u128, position: u64) -> u32 {
    let mut bytes = Vec::with_capacity(33);
    bytes.push(kind);
    bytes.extend(key.to_le_bytes());
    bytes.extend(value.to_le_bytes());
    bytes.extend(position.to_le_bytes());
    // The upper half is as good as the lower.
    (fingerprint(&bytes) >> 32) as u32
}

/// FNV-1a, its bits then mixed so that every part is fit for use.
///
/// Nothing relies on two texts having two fingerprints: what the index tells is verified by reading
/// the reservation.
pub(in crate::store) fn fingerprint(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> Header {
        Header {
            boot: 1,
            signature: Signature {
                device: 2,
                inode: 3,
                seconds: -4,
                nanoseconds: 5,
            },
            capacity: 256,
            used: 6,
        }
    }

    #[test]
    fn headers_survive_and_damage_is_seen() {
        let bytes = header().encode();
        assert_eq!(Header::decode(&bytes), Some(header()));
        assert_eq!(Header::decode(&[0; HEADER_BYTES]), None);
        for at in 0..HEADER_BYTES {
            let mut damaged = bytes;
            damaged[at] ^= 0x10;
            assert_eq!(Header::decode(&damaged), None, "byte {at}");
        }
    }

    #[test]
    fn headers_that_make_no_sense_are_refused() {
        for (capacity, used) in [(0, 0), (255, 0), (256, 257), (1 << 33, 0)] {
            let bytes = Header {
                capacity,
                used,
                ..header()
            }
            .encode();
            assert_eq!(Header::decode(&bytes), None);
        }
    }

    #[test]
    fn zeros_are_no_slot() {
        for position in 0..100_000 {
            assert_eq!(Slot::decode(&[0; SLOT_BYTES], position), None);
        }
    }

    proptest! {
        #[test]
        fn slots_survive_and_damage_is_seen(
            key: u64, address: IpAddr, kind in 0..3, position: u64, at in 0..SLOT_BYTES, flip in 1u8..,
        ) {
            let slot = match kind {
                0 => Slot::Empty,
                1 => Slot::Deleted,
                _ => Slot::Held(Entry { key, address }),
            };
            let mut bytes = slot.encode(position);
            prop_assert_eq!(Slot::decode(&bytes, position), Some(slot));
            prop_assert_eq!(Slot::decode(&bytes, position.wrapping_add(1)), None);
            bytes[at] ^= flip;
            prop_assert_eq!(Slot::decode(&bytes, position), None);
        }
    }
}
