use super::super::field::Value;
use super::super::field::{DataType, Field, Transport};
use super::super::object;
use super::super::rule::{ConntrackState, Rule};
use super::*;
use ferrule_kernel::Family;

fn text(rule: &Rule) -> String {
    let listed = ListedRule {
        handle: 1,
        comment: rule.comment().map(str::to_owned),
        note: None,
        expressions: rule.expressions().to_vec(),
    };
    listed.to_string()
}

#[test]
fn rules_are_in_the_words_of_the_tool() {
    let rule = || Rule::new(object::Family::Inet);
    for (rule, expected) in [
        (
            rule()
                .source("10.1.2.3/32".parse().unwrap())
                .accept()
                .with_comment("c"),
            "meta nfproto ipv4 ip saddr 10.1.2.3 accept comment \"c\"",
        ),
        (
            rule()
                .destination_outside("10.1.0.0/17".parse().unwrap())
                .masquerade(),
            "meta nfproto ipv4 ip daddr != 10.1.0.0/17 masquerade",
        ),
        (
            rule()
                .conntrack_state(ConntrackState::ESTABLISHED | ConntrackState::RELATED)
                .drop(),
            "ct state established,related drop",
        ),
        (
            rule().destination_is_local().jump("hostports"),
            "fib daddr type local jump hostports",
        ),
        (
            rule()
                .in_interface("veth1")
                .destination_port(Transport::Udp, 53)
                .counter()
                .destination_nat("[fd00::5]:5353".parse().unwrap()),
            "iifname \"veth1\" meta l4proto udp th dport 53 counter packets 0 bytes 0 dnat ip6 to [fd00::5]:5353",
        ),
        (
            rule().mark(0x2000, 0x2000).masquerade(),
            "meta mark & 0x2000 == 0x2000 masquerade",
        ),
        (
            rule()
                .in_set(
                    &[Field::Transport, Field::DestinationPort],
                    SetReference::Named("ports".into()),
                )
                .return_to_caller(),
            "meta l4proto . th dport @ports return",
        ),
    ] {
        assert_eq!(text(&rule), expected);
    }
}

#[test]
fn elements_are_read_by_their_types() {
    let element = Element::new(&[Value::Transport(Transport::Tcp), Value::Port(80)])
        .with_data(&[
            Value::Address("10.1.2.3".parse().unwrap()),
            Value::Port(8080),
        ])
        .with_comment("mine");
    let key = [Some(DataType::Transport), Some(DataType::Port)];
    let data = [Some(DataType::Address(Family::V4)), Some(DataType::Port)];
    assert_eq!(
        element.describe(&key, &data),
        "tcp . 80 : 10.1.2.3 . 8080 comment \"mine\""
    );
    assert_eq!(
        element.describe(&[None], &[None]),
        "0x0600000000500000 : 0x0a0102031f900000 comment \"mine\""
    );
    let name = Element::new(&[Value::Interface("eth0")]);
    assert_eq!(name.describe(&[Some(DataType::Interface)], &[]), "\"eth0\"");
}

#[test]
fn masks_of_prefixes_are_told_from_others() {
    assert_eq!(prefix(&[255, 255, 128, 0]), Some(17));
    assert_eq!(prefix(&[255; 4]), Some(32));
    assert_eq!(prefix(&[0; 4]), Some(0));
    for other in [[255, 0, 255, 0], [0, 255, 0, 0], [255, 1, 0, 0]] {
        assert_eq!(prefix(&other), None, "{other:?}");
    }
}

#[test]
fn what_is_not_known_is_named() {
    let rule = Rule::new(object::Family::Inet)
        .with(Expression::Other {
            name: "limit".to_owned(),
        })
        .with(Expression::Payload {
            base: Base::Network,
            offset: 1,
            length: 1,
            to: Register::word(0),
        })
        .with(Expression::Cmp {
            from: Register::word(0),
            op: CmpOp::Equal,
            with: vec![16],
        })
        .with(Expression::Target {
            name: "MARK".to_owned(),
            revision: 2,
            data: vec![],
        });
    assert_eq!(text(&rule), "limit @nh,8,8 0x10 xt target MARK");
}
