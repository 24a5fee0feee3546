//! Which names the protocol allows for containers, networks and interfaces.

use crate::{Code, Error};

/// The longest interface name the kernel takes, in bytes (`IFNAMSIZ` less the final zero).
const MAX_INTERFACE_NAME: usize = 15;

/// Whether `text` is `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, the pattern of container ids and network names.
fn is_identifier(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(allowed)
}

/// Accepts a container id; otherwise an error with code 4 and the id as details.
pub fn check_container_id(id: &str) -> Result<(), Error> {
    if id.is_empty() {
        return Err(Error::new(Code::UnknownContainer, "missing containerID"));
    }
    if !is_identifier(id) {
        return Err(Error::new(
            Code::InvalidEnvironment,
            "invalid characters in containerID",
        )
        .details(id));
    }
    Ok(())
}

/// Accepts a network name; otherwise an error with code 7.
pub fn check_network_name(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::new(Code::InvalidConfig, "missing network name"));
    }
    if !is_identifier(name) {
        return Err(Error::new(
            Code::InvalidConfig,
            "invalid characters found in network name",
        )
        .details(name));
    }
    Ok(())
}

/// Accepts an interface name that the kernel would take too; otherwise an error with code 4.
pub fn check_interface_name(name: &str) -> Result<(), Error> {
    let wrong = |msg: &str| Error::new(Code::InvalidEnvironment, msg);
    if name.is_empty() {
        return Err(wrong("interface name is empty"));
    }
    if name.len() > MAX_INTERFACE_NAME {
        return Err(wrong("interface name is too long").details(format!(
            "interface name should be less than {} characters",
            MAX_INTERFACE_NAME + 1
        )));
    }
    if name == "." || name == ".." {
        return Err(wrong("interface name is . or .."));
    }
    if name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace()) {
        return Err(wrong(
            "interface name contains / or : or whitespace characters",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_start_with_a_letter_or_digit() {
        for good in ["a", "1234", "a-b_c.d", "A.-_"] {
            assert!(check_container_id(good).is_ok(), "{good}");
            assert!(check_network_name(good).is_ok(), "{good}");
        }
        for bad in ["-a", ".a", "_a", "a/b", "a b", "a\n", "a%", "ä"] {
            assert_eq!(check_container_id(bad).unwrap_err().code, 4, "{bad}");
            assert_eq!(check_network_name(bad).unwrap_err().code, 7, "{bad}");
        }
    }

    #[test]
    fn interface_names_are_what_the_kernel_takes() {
        for good in ["eth0", "eth0.100", "a-b_c", "123456789012345", "..."] {
            assert!(check_interface_name(good).is_ok(), "{good}");
        }
        for (bad, msg) in [
            ("1234567890123456", "interface name is too long"),
            (".", "interface name is . or .."),
            ("..", "interface name is . or .."),
            (
                "a/b",
                "interface name contains / or : or whitespace characters",
            ),
            (
                "a:b",
                "interface name contains / or : or whitespace characters",
            ),
            (
                "a\u{a0}b",
                "interface name contains / or : or whitespace characters",
            ),
        ] {
            let error = check_interface_name(bad).unwrap_err();
            assert_eq!((error.code, error.msg.as_str()), (4, msg), "{bad}");
        }
    }
}
