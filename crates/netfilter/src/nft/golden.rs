//! Messages compared with those that the `nft` tool sends for the same text.

use std::fmt::Write as _;

#[path = "../../tests/ruleset/rules.rs"]
mod rules;

use self::rules::{inet, network};
use super::comment::COMMENT;
use super::constants::rule;
use super::*;
use crate::nfnetlink::attributes;
use ferrule_kernel::Family::{V4, V6};

/// Texts of the tool, each followed by a line with the message.
const GOLDEN: &str = include_str!("golden.txt");

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;

const TABLE: Table<'_> = Table::new(Family::Inet, "t");
const BRIDGE: Table<'_> = Table::new(Family::Bridge, "b");

/// A change that is added to a transaction.
type Change<'a> = &'a dyn Fn(&mut Transaction);

/// The tool's message for a text.
fn golden(text: &str) -> Vec<u8> {
    let mut lines = GOLDEN.lines().skip_while(|line| *line != text);
    assert!(lines.next().is_some(), "no golden bytes for {text:?}");
    let digits = lines.next().unwrap();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// The only message of a transaction.
fn written(change: impl FnOnce(&mut Transaction)) -> Vec<u8> {
    let mut transaction = Transaction::new();
    change(&mut transaction);
    assert_eq!(transaction.requests.len(), 1);
    transaction.requests[0].bytes[HEADER..].to_vec()
}

/// The shared rules, and those that cannot be in the chain `c` of a kernel's table.
fn rules() -> Vec<(&'static str, Rule)> {
    let mut rules = rules::rules();
    rules.extend([
        (
            "ip6 daddr ff00::/8 goto c",
            inet().destination(network("ff00::/8")).goto("c"),
        ),
        (
            r#"iifname "br0" oifname != "br0" jump c"#,
            inet()
                .in_interface("br0")
                .out_interface_other_than("br0")
                .jump("c"),
        ),
        (
            "meta mark & 0x2000 == 0x2000 counter masquerade",
            inet().mark(0x2000, 0x2000).counter().masquerade(),
        ),
        (
            "ip saddr . ip daddr @s return",
            inet()
                .in_set(&[Field::Source(V4), Field::Destination(V4)], "s")
                .return_to_caller(),
        ),
    ]);
    rules
}

#[test]
#[cfg(target_endian = "little")]
fn rules_are_those_that_the_tool_sends() {
    for (text, rule) in rules() {
        let without_comment = text.split(" comment ").next().unwrap();
        assert_eq!(rule.to_string(), without_comment);
        let golden = golden(&format!("add rule inet t c {text}"));
        let parts = attributes(&golden);
        let list = parts.get(rule::EXPRESSIONS).unwrap();
        assert_eq!(
            decode::expressions(list.nested()),
            rule.expressions(),
            "{text}"
        );
        let data = parts.get(rule::USER_DATA);
        let comment = data.and_then(|data| comment::find(COMMENT, data.value));
        assert_eq!(comment.as_deref(), rule.comment(), "{text}");

        let bytes = written(|changes| {
            changes.append_rule(TABLE.chain("c"), &rule);
        });
        // The tool also sends the id of a set of the same transaction, and the default operation of
        // a bitwise expression.
        if !text.contains('@') && !text.contains("mark") {
            assert_eq!(hex(&bytes), hex(&golden), "{text}");
        }
    }
}

#[test]
#[cfg(target_endian = "little")]
fn rules_read_back_as_written() {
    for (text, rule) in rules() {
        let bytes = written(|changes| {
            changes.append_rule(TABLE.chain("c"), &rule);
        });
        let list = attributes(&bytes).get(rule::EXPRESSIONS);
        let read = decode::expressions(list.unwrap().nested());
        assert_eq!(read, rule.expressions(), "{text}");
    }
}

#[test]
#[cfg(target_endian = "little")]
fn tables_and_chains_are_those_that_the_tool_sends() {
    let nat = BaseChain::new(ChainKind::Nat, Hook::Postrouting, SOURCE_NAT);
    let cases: [(&str, Change<'_>); 5] = [
        (r#"add table inet t { comment "tc"; }"#, &|changes| {
            changes.add_table(TABLE, Some("tc"));
        }),
        (r#"add chain inet t c { comment "cc"; }"#, &|changes| {
            changes.add_chain(TABLE.chain("c"), &ChainLayout::regular().with_comment("cc"));
        }),
        (
            "add chain inet t post { type nat hook postrouting priority 100; }",
            &|changes| {
                changes.add_chain(TABLE.chain("post"), &ChainLayout::base(nat));
            },
        ),
        ("add table bridge b", &|changes| {
            changes.add_table(BRIDGE, None);
        }),
        (
            "add rule bridge b x ether saddr 02:00:00:00:00:01 return",
            &|changes| {
                let rule = Rule::new(Family::Bridge).ether_source([2, 0, 0, 0, 0, 1]);
                changes.append_rule(BRIDGE.chain("x"), &rule.return_to_caller());
            },
        ),
    ];
    for (text, change) in cases {
        assert_eq!(hex(&written(change)), hex(&golden(text)), "{text}");
    }
}

#[test]
#[cfg(target_endian = "little")]
fn elements_are_those_that_the_tool_sends() {
    let tcp = Value::Transport(Transport::Tcp);
    let address = |text: &str| Value::Address(text.parse().unwrap());
    let cases = [
        (
            r#"m { tcp . 80 comment "el" : 10.1.1.1 . 80 }"#,
            Element::new(&[tcp, Value::Port(80)])
                .with_data(&[address("10.1.1.1"), Value::Port(80)])
                .with_comment("el"),
        ),
        (
            "s { 10.0.0.0/8 . 10.1.1.1 }",
            Element::new(&[address("10.0.0.0"), address("10.1.1.1")])
                .up_to(&[address("10.255.255.255"), address("10.1.1.1")]),
        ),
    ];
    for (text, element) in cases {
        let golden = golden(&format!("add element inet t {text}"));
        let list = attributes(&golden).get(constants::element::ELEMENTS);
        let list = list.unwrap();
        let read: Vec<_> = list
            .nested()
            .map(|one| Element::parse(one.nested()))
            .collect();
        assert_eq!(read, [Some(element.clone())], "{text}");
        let bytes = written(|changes| {
            changes.add_elements(TABLE.set(&text[..1]), &[element]);
        });
        assert!(hex(&bytes).ends_with(&hex(list.value)), "{text}");
    }
}

#[test]
fn ip_version_and_protocol_are_compared_once_and_only_where_needed() {
    let count = |rule: &Rule| rule.expressions().len();
    // In a table of one version nothing but the address is compared.
    let plain = Rule::new(Family::Ipv4).source(network("10.0.0.1/32"));
    assert_eq!(count(&plain), 2);
    let bridged = Rule::new(Family::Bridge).source(network("10.0.0.1/32"));
    assert!(matches!(
        bridged.expressions()[..2],
        [
            Expression::Meta { key: Meta::Protocol, .. },
            Expression::Cmp { ref with, .. }
        ] if *with == [8, 0]
    ));
    let mapped = inet().destination_nat_from(&[Field::Transport, Field::DestinationPort], "m", V6);
    assert_eq!(count(&mapped), 6);
}

#[test]
fn comments_beyond_the_tools_limit_are_refused_before_anything_is_sent() {
    let mut transaction = Transaction::new();
    transaction.append_rule(TABLE.chain("c"), &inet().with_comment("x".repeat(129)));
    let (operation, fault) = transaction.fault.unwrap();
    assert!(
        operation.starts_with(r#"append rule to chain "c" of table inet t"#),
        "{operation}"
    );
    assert_eq!(fault, CommentError::TooLong(129));
}

#[test]
fn many_elements_are_split_over_several_messages() {
    let mut transaction = Transaction::new();
    let elements: Vec<_> = (0..4000)
        .map(|port| Element::new(&[Value::Port(port)]))
        .collect();
    transaction.add_elements(TABLE.set("s"), &elements);
    assert!(transaction.requests.len() > 1);
    assert!(
        transaction
            .requests
            .iter()
            .all(|one| one.bytes.len() < usize::from(u16::MAX))
    );
}

fn hex(bytes: &[u8]) -> String {
    let mut digits = String::new();
    for byte in bytes {
        write!(digits, "{byte:02x}").unwrap();
    }
    digits
}
