//! What the kernel accepts as the name of an interface.
//!
//! Names are checked before they are sent: an empty name would make the kernel invent one, and a
//! byte of value zero would silently cut it.

use thiserror::Error;

/// `IFNAMSIZ` without its closing zero byte.
pub const LONGEST_NAME: usize = 15;

/// `ALTIFNAMSIZ` without its closing zero byte.
const LONGEST_ALTERNATIVE_NAME: usize = 127;

/// Why a text cannot name an interface (`dev_valid_name` in the kernel's net/core/dev.c).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// No text at all.
    #[error("interface name is empty")]
    Empty,
    /// More bytes than the kernel stores.
    #[error("interface name is longer than {limit} bytes: {name:?}")]
    TooLong {
        /// The refused text.
        name: String,
        /// The number of bytes the kernel has room for.
        limit: usize,
    },
    /// A reserved name or a forbidden character: slash, colon, white space or a zero byte.
    #[error("interface name is not allowed: {0:?}")]
    Forbidden(String),
}

/// Checks a name to be given to an interface: 1 to 15 bytes, neither `.` nor `..`, no slash,
/// colon, white space or zero byte.
pub fn check(name: &str) -> Result<(), NameError> {
    within(name, LONGEST_NAME)?;
    let forbidden =
        |byte: u8| matches!(byte, b'/' | b':' | b'\x0b' | 0) || byte.is_ascii_whitespace();
    if name == "." || name == ".." || name.bytes().any(forbidden) {
        return Err(NameError::Forbidden(name.to_owned()));
    }
    Ok(())
}

/// Checks a name to look an interface up by: as its own name or, when longer than 15 bytes, as
/// one of its alternative names.
pub(crate) fn check_sought(name: &str) -> Result<(), NameError> {
    within(name, LONGEST_ALTERNATIVE_NAME)?;
    if name.contains('\0') {
        return Err(NameError::Forbidden(name.to_owned()));
    }
    Ok(())
}

fn within(name: &str, limit: usize) -> Result<(), NameError> {
    if name.is_empty() {
        Err(NameError::Empty)
    } else if name.len() > limit {
        Err(NameError::TooLong {
            name: name.to_owned(),
            limit,
        })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_pass() {
        for name in ["lo", "eth0", "eth0.100", "a", "veth0123456789a", "net-1_x"] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_the_kernel_refuses_or_changes_do_not_pass() {
        assert_eq!(check(""), Err(NameError::Empty));
        assert!(matches!(
            check("sixteen-bytes-xx"),
            Err(NameError::TooLong { limit: 15, .. })
        ));
        for name in [".", "..", "a/b", "a:b", "a b", "a\tb", "a\0b", "a\u{b}b"] {
            assert_eq!(check(name), Err(NameError::Forbidden(name.to_owned())));
        }
    }

    #[test]
    fn sought_names_may_be_alternative_names() {
        assert_eq!(check_sought("an-alternative-name-of-some-length"), Ok(()));
        assert!(check_sought(&"x".repeat(128)).is_err());
        assert!(check_sought("x\0").is_err());
    }
}
