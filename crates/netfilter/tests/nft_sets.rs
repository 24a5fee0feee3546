//! Sets and maps of `nf_tables`.

use std::slice::from_ref;

use crate::ruleset::{TABLE, commit, inet, nft, printed, private, with_chain};
use ferrule_kernel::Errno;
use ferrule_kernel::Family::V4;
use ferrule_netfilter::nft::{
    ChainLayout, DataType, Element, Field, SetLayout, SetReference, Transaction, Transport, Value,
};

#[test]
fn maps_are_printed_and_queried_by_element() {
    let kernel = private();
    let map = TABLE.set("m");
    let layout = SetLayout::map(
        &[DataType::Transport, DataType::Port],
        &[DataType::Address(V4), DataType::Port],
    );
    let key = |port| [Value::Transport(Transport::Tcp), Value::Port(port)];
    let address = Value::Address([10, 1, 1, 1].into());
    let element = |port| {
        Element::new(&key(port))
            .with_data(&[address, Value::Port(8080)])
            .with_comment(&format!("owner of {port}"))
    };
    commit(&kernel, |changes| {
        changes.add_table(TABLE, None).add_set(map, &layout);
        changes.add_elements(map, &[element(80), element(443)]);
        changes.add_chain(TABLE.chain("c"), &ChainLayout::regular());
        let fields = [Field::Transport, Field::DestinationPort];
        changes.append_rule(
            TABLE.chain("c"),
            &inet().destination_nat_from(&fields, "m", V4),
        );
    });
    let text = nft(&["list", "map", "inet", "t", "m"]);
    assert!(
        text.contains("type inet_proto . inet_service : ipv4_addr . inet_service"),
        "{text}"
    );
    let shown = r#"tcp . 443 comment "owner of 443" : 10.1.1.1 . 8080"#;
    assert!(text.contains(shown), "{text}");
    assert_eq!(
        printed(TABLE.chain("c")),
        ["meta nfproto ipv4 dnat ip to meta l4proto . th dport map @m"]
    );

    assert_eq!(
        kernel.element(map, &Element::new(&key(80))).unwrap(),
        Some(element(80))
    );
    assert_eq!(kernel.element(map, &Element::new(&key(81))).unwrap(), None);
    assert_eq!(
        kernel
            .element(TABLE.set("none"), &Element::new(&key(80)))
            .unwrap(),
        None
    );
    let mut all = kernel.elements(map).unwrap();
    all.sort_by_key(|element| element.key.as_bytes().to_vec());
    assert_eq!(all, [element(80), element(443)]);

    let mut changes = Transaction::new();
    let other = Element::new(&key(80)).with_data(&[address, Value::Port(1)]);
    changes.add_elements(map, from_ref(&other));
    let error = kernel.commit(&changes).unwrap_err();
    assert!(
        [Some(Errno::EBUSY), Some(Errno::EEXIST)].contains(&error.errno()),
        "{error}"
    );
    // Deletion and addition in one transaction move the key.
    commit(&kernel, |changes| {
        changes.delete_elements(map, from_ref(&other));
        changes.add_elements(map, from_ref(&other));
    });
    assert_eq!(kernel.element(map, &other).unwrap(), Some(other));
}

#[test]
fn sets_with_ranges_and_anonymous_sets_are_printed() {
    let kernel = private();
    with_chain(&kernel, "c");
    let chain = TABLE.chain("c");
    let pair = [DataType::Address(V4), DataType::Address(V4)];
    let address = |text: &str| Value::Address(text.parse().unwrap());
    let range = Element::new(&[address("10.0.0.0"), address("10.1.1.1")])
        .up_to(&[address("10.255.255.255"), address("10.1.1.1")]);
    commit(&kernel, |changes| {
        changes.add_set(TABLE.set("s"), &SetLayout::set(&pair).with_ranges());
        changes.add_elements(TABLE.set("s"), from_ref(&range));
        let fields = [Field::Source(V4), Field::Destination(V4)];
        changes.append_rule(chain, &inet().in_set(&fields, "s").return_to_caller());
        let protocols =
            [Transport::Tcp, Transport::Udp].map(|one| Element::new(&[Value::Transport(one)]));
        let layout = SetLayout::set(&[DataType::Transport]);
        let both = changes.anonymous_set(TABLE, &layout, &protocols);
        changes.append_rule(chain, &inet().in_set(&[Field::Transport], both).accept());
    });
    assert_eq!(
        printed(chain),
        [
            "ip saddr . ip daddr @s return",
            "meta l4proto { tcp, udp } accept",
        ]
    );
    let text = nft(&["list", "table", "inet", "t"]);
    assert!(
        text.contains("elements = { 10.0.0.0/8 . 10.1.1.1 }"),
        "{text}"
    );
    assert_eq!(kernel.elements(TABLE.set("s")).unwrap(), *from_ref(&range));
    let rules = kernel.rules(chain).unwrap();
    assert!(
        rules[1].same_as(
            &inet()
                .in_set(&[Field::Transport], SetReference::Anonymous(7))
                .accept()
        )
    );
    commit(&kernel, |changes| {
        changes.delete_elements(TABLE.set("s"), from_ref(&range));
    });
    assert_eq!(kernel.elements(TABLE.set("s")).unwrap(), []);
}
