//! Link-layer addresses.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The longest link-layer address in use: IP over `InfiniBand` (RFC 4391).
const LONGEST: usize = 20;

/// A link-layer address of at most 20 bytes: 6 for Ethernet, 8 for EUI-64, 20 for `InfiniBand`.
///
/// Prints as lower-case hexadecimal bytes joined by colons.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac {
    /// Bytes behind `length` are zero, so the derived comparison is right.
    bytes: [u8; LONGEST],
    length: u8,
}

/// Why a text or byte sequence is not a link-layer address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MacError {
    /// The text has none of the accepted notations.
    #[error("invalid MAC address: {0:?}")]
    Notation(String),
    /// A number of bytes that is not 1 to 20.
    #[error("invalid MAC address length: {0}")]
    Length(usize),
}

impl Mac {
    /// An address of 1 to 20 bytes as the kernel reports it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MacError> {
        let mut kept = [0; LONGEST];
        match (kept.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(target), Ok(length)) if length > 0 => {
                target.copy_from_slice(bytes);
                Ok(Self {
                    bytes: kept,
                    length,
                })
            }
            _ => Err(MacError::Length(bytes.len())),
        }
    }

    /// The bytes in transmission order.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }

    /// The six bytes of an Ethernet address; `None` for another length.
    pub fn ethernet(&self) -> Option<[u8; 6]> {
        self.as_bytes().try_into().ok()
    }
}

impl From<[u8; 6]> for Mac {
    fn from(ethernet: [u8; 6]) -> Self {
        let mut bytes = [0; LONGEST];
        for (target, byte) in bytes.iter_mut().zip(ethernet) {
            *target = byte;
        }
        Self { bytes, length: 6 }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.as_bytes().iter().enumerate() {
            if position > 0 {
                f.write_str(":")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = MacError;

    /// Accepts the notations of Go's `net.ParseMAC`: bytes joined by colons or by hyphens, or
    /// pairs of bytes joined by dots; 6, 8 or 20 bytes; either case.
    fn from_str(text: &str) -> Result<Self, MacError> {
        let refused = || MacError::Notation(text.to_owned());
        let (separator, digits) = match text.find([':', '-', '.']).and_then(|at| text.get(at..)) {
            Some(rest) if rest.starts_with(':') => (':', 2),
            Some(rest) if rest.starts_with('-') => ('-', 2),
            Some(_) => ('.', 4),
            None => return Err(refused()),
        };
        let mut bytes = Vec::with_capacity(LONGEST);
        for group in text.split(separator) {
            if group.len() != digits || !group.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(refused());
            }
            let value = u16::from_str_radix(group, 16).map_err(|_| refused())?;
            let [high, low] = value.to_be_bytes();
            if digits == 4 {
                bytes.push(high);
            }
            bytes.push(low);
        }
        match bytes.len() {
            6 | 8 | LONGEST => Self::from_bytes(&bytes),
            _ => Err(refused()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_is_understood_and_printed_with_colons() {
        for text in ["02:AB:cd:00:11:ff", "02-ab-CD-00-11-FF", "02ab.cd00.11ff"] {
            let mac: Mac = text.parse().unwrap();
            assert_eq!(mac.to_string(), "02:ab:cd:00:11:ff");
            assert_eq!(mac.ethernet(), Some([0x02, 0xab, 0xcd, 0x00, 0x11, 0xff]));
        }
    }

    #[test]
    fn longer_addresses_keep_their_length() {
        let eui: Mac = "02:00:5e:10:00:00:00:01".parse().unwrap();
        assert_eq!(eui.as_bytes().len(), 8);
        assert_eq!(eui.ethernet(), None);
        let twenty: Mac = "0000.0000.fe80.0000.0000.0000.0200.5e10.0000.0001"
            .parse()
            .unwrap();
        assert_eq!(twenty.as_bytes().len(), 20);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            ":",
            "02",
            "02:ab:cd:00:11",
            "02:ab:cd:00:11:ff:",
            "02:ab-cd:00:11:ff",
            "2:ab:cd:00:11:ff",
            "02:ab:cd:00:11:gg",
            "02abcd0011ff",
            "02ab.cd00",
            "02:ab:cd:00:11:+f",
            "02:ab:cd:00:11:ff:01",
            "é2:ab:cd:00:11:ff",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn bytes_of_impossible_length_are_refused() {
        assert_eq!(Mac::from_bytes(&[]), Err(MacError::Length(0)));
        assert_eq!(Mac::from_bytes(&[1; 21]), Err(MacError::Length(21)));
    }
}
