//! The formats that schemas name.

use cni_types::{Cidr, check_network_name, parse_address};

/// What is wrong with a text of the format; nothing if the format is unknown.
pub(crate) fn mismatch(format: &str, text: &str) -> Option<&'static str> {
    match format {
        "cidr" => text
            .parse::<Cidr>()
            .err()
            .map(|_| "an address with a prefix length, as 10.1.0.0/16"),
        // The plugins take an empty text for an absent key.
        _ if text.is_empty() => None,
        "ip" => parse_address(text)
            .err()
            .map(|_| "an IP address without prefix length"),
        "mac" => (!is_mac(text)).then_some("a MAC address, as 02:00:00:00:00:01"),
        "network-name" => check_network_name(text)
            .err()
            .map(|_| "letters, digits, and _ . - behind the first"),
        _ => None,
    }
}

/// Six, eight or twenty bytes in pairs of digits, or in fours with dots, as Go reads them.
fn is_mac(text: &str) -> bool {
    let groups = |separator: char, digits: usize| {
        let groups: Vec<&str> = text.split(separator).take(21).collect();
        let right =
            |group: &&str| group.len() == digits && group.bytes().all(|b| b.is_ascii_hexdigit());
        groups.iter().all(right) && matches!(groups.len() * digits / 2, 6 | 8 | 20)
    };
    groups(':', 2) || groups('-', 2) || groups('.', 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        for (format, good, bad) in [
            ("cidr", "10.1.0.0/16 fd00::/64", "10.1.0.0 10.1.0.0/33 x"),
            ("ip", "10.1.0.1 fd00::1", "10.1.0.1/16 10.1.0.01 x"),
            (
                "mac",
                "02:00:5e:10:00:01 02-00-5E-10-00-01 0200.5e10.0001",
                "02:00 x 02:00:5e:10:00:zz ::",
            ),
            ("network-name", "net a.b-c_d", "-net a/b ä"),
        ] {
            for text in good.split(' ') {
                assert_eq!(mismatch(format, text), None, "{format}: {text}");
            }
            for text in bad.split(' ') {
                assert!(mismatch(format, text).is_some(), "{format}: {text}");
            }
        }
        assert!(mismatch("cidr", "").is_some() && mismatch("ip", "").is_none());
        assert_eq!(mismatch("colour", "x"), None);
    }
}
