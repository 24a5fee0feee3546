//! MAC addresses in configurations.

use std::fmt::Display;

use cni_types::{Code, Error};
use ferrule_kernel::Mac;

/// The MAC address of the first of `keys`, pairs of a key and its value, whose value is not empty. An
/// error (code 7) names the key.
///
/// Valid is what an Ethernet interface can have: six bytes, not all zero, and not a group address
/// (IEEE 802, the lowest bit of the first byte).
pub fn configured_mac<'t>(
    keys: impl IntoIterator<Item = (&'t str, &'t str)>,
) -> Result<Option<Mac>, Error> {
    let set = keys.into_iter().find(|(_, text)| !text.is_empty());
    set.map(|(key, text)| ethernet_address(key, text))
        .transpose()
}

fn ethernet_address(key: &str, text: &str) -> Result<Mac, Error> {
    let invalid = |problem: &dyn Display| {
        Error::new(
            Code::InvalidConfig,
            format!("key {key} {text:?}: {problem}"),
        )
        .details("write six bytes in hexadecimal, for example 02:00:5e:10:00:01")
    };
    let mac: Mac = text.parse().map_err(|error| invalid(&error))?;
    match mac.ethernet() {
        None => Err(invalid(&"a MAC address of an interface has six bytes")),
        Some([0, 0, 0, 0, 0, 0]) => Err(invalid(&"the MAC address is zero")),
        Some([first, ..]) if first & 1 == 1 => {
            Err(invalid(&"a group address cannot be an interface's own"))
        }
        Some(_) => Ok(mac),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_with_a_value_counts() {
        let keys = [("a", ""), ("b", "02-00-00-00-00-03"), ("c", "x")];
        let mac = configured_mac(keys).unwrap().unwrap();
        assert_eq!(mac.to_string(), "02:00:00:00:00:03");
        assert_eq!(configured_mac([("a", "")]).unwrap(), None);
    }

    #[test]
    fn only_addresses_of_one_interface_are_taken_and_errors_name_the_key() {
        for (text, problem) in [
            ("x", "invalid MAC address"),
            ("01:00:5e:00:00:01", "a group address"),
            ("00:00:00:00:00:00", "zero"),
            ("02:00:00:00:00:00:00:01", "six bytes"),
        ] {
            let error = configured_mac([("CNI_ARGS MAC", text)]).unwrap_err();
            assert_eq!(error.code, 7);
            assert!(error.msg.starts_with("key CNI_ARGS MAC"), "{error}");
            assert!(error.msg.contains(problem), "{error}");
        }
    }
}
