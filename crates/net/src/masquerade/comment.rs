//! Comments on rules, by which both implementations find them.

use std::fmt::Write as _;

/// The comment on every iptables rule of a container in a network.
pub(super) fn iptables(network: &str, container_id: &str) -> String {
    format!("name: {} id: {}", quoted(network), quoted(container_id))
}

/// The container an iptables comment names, if it is of the network.
pub(super) fn container_of(comment: &str, network: &str) -> Option<String> {
    let rest = comment.strip_prefix(&format!("name: {} id: ", quoted(network)))?;
    let inner = rest.strip_prefix('"')?.strip_suffix('"')?;
    let mut id = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        id.push(if character == '\\' {
            characters.next()?
        } else {
            character
        });
    }
    Some(id)
}

/// A text in double quotes as Go writes it. Names that pass the specification's rules contain
/// nothing to be escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_ascii_control() => {
                let _ = write!(quoted, "\\x{:02x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AttachmentId;

    fn id(network: &str, container_id: &str) -> AttachmentId {
        AttachmentId {
            network: network.into(),
            container_id: container_id.into(),
            ifname: "eth0".into(),
        }
    }

    #[test]
    fn comments_are_those_of_the_go_plugins() {
        assert_eq!(iptables("test", "1234"), r#"name: "test" id: "1234""#);
        assert_eq!(
            id("unit-test", "one").comment(),
            "6fd94d501e58f0aa-287fc69eff0574a2, net: unit-test, if: eth0, id: one"
        );
    }

    #[test]
    fn long_comments_are_cut_to_what_the_tool_takes() {
        let comment = id("unit-test", &"x".repeat(200)).comment();
        assert_eq!(comment.len(), 128);
        assert!(id("ü", &"ü".repeat(200)).comment().len() <= 128);
        assert!(!id("a\"b", "c").comment().contains('"'));
    }

    #[test]
    fn containers_are_read_out_of_comments_of_their_network() {
        for container in ["1234", "a.b_c-d", r#"odd "\ one"#] {
            let comment = iptables("net", container);
            assert_eq!(container_of(&comment, "net").as_deref(), Some(container));
            assert_eq!(container_of(&comment, "other"), None);
            assert_eq!(container_of(&comment, "ne"), None);
        }
        assert_eq!(container_of("name: \"net\" id: ", "net"), None);
        assert_eq!(container_of("something else", "net"), None);
    }

    #[test]
    fn what_needs_escapes_is_escaped_as_in_go() {
        assert_eq!(quoted("a\"b\\c\n\u{1}"), r#""a\"b\\c\n\x01""#);
    }
}
