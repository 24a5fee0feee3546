//! Rules of `nf_tables`: what the tool prints of ours, and what this crate reads of the tool's.

use std::process::Command;

use crate::ruleset::{TABLE, commit, inet, network, nft, printed, private, rules, with_chain};
use ferrule_netfilter::nft::{
    BaseChain, ChainKind, ChainLayout, ConntrackState, DataType, Element, Expression, Family, Hook,
    Rule, SOURCE_NAT, SetLayout, Table, Transport, Value,
};

#[test]
fn rules_are_printed_as_they_were_meant_and_read_back() {
    let kernel = private();
    with_chain(&kernel, "c");
    let chain = TABLE.chain("c");
    let mut cases = rules();
    cases.extend([
        (
            "ip saddr != 10.0.0.0/9 ip daddr 224.0.0.0/4 return",
            inet()
                .source_outside(network("10.0.0.0/9"))
                .destination(network("224.0.0.0/4"))
                .return_to_caller(),
        ),
        (
            "ip6 saddr fd00::/64 drop",
            inet().source(network("fd00::1/64")).drop(),
        ),
        (
            "sctp dport 53 dnat ip6 to [fd00::3]:5353",
            inet()
                .destination_port(Transport::Sctp, 53)
                .destination_nat("[fd00::3]:5353".parse().unwrap()),
        ),
        (
            r#"iifname != "br0" oifname "br0" accept"#,
            inet()
                .in_interface_other_than("br0")
                .out_interface("br0")
                .accept(),
        ),
        (
            "ct state established,related counter accept",
            inet()
                .conntrack_state(ConntrackState::ESTABLISHED | ConntrackState::RELATED)
                .counter()
                .accept(),
        ),
        (
            "meta mark & 0x00002000 == 0x00002000 masquerade",
            inet().mark(0x2000, 0x2000).masquerade(),
        ),
    ]);
    commit(&kernel, |changes| {
        for (_, rule) in &cases {
            changes.append_rule(chain, rule);
        }
    });
    let texts: Vec<_> = cases.iter().map(|(text, _)| *text).collect();
    assert_eq!(printed(chain), texts);

    let listed = kernel.rules(chain).unwrap();
    assert_eq!(listed.len(), cases.len());
    for ((text, rule), listed) in cases.iter().zip(&listed) {
        assert!(listed.same_as(rule), "{text}: {listed:?}");
        assert_eq!(listed.comment.as_deref(), rule.comment(), "{text}");
    }
    assert!(!listed[0].same_as(&cases[1].1));
}

#[test]
fn rules_of_the_tool_are_understood() {
    let kernel = private();
    with_chain(&kernel, "c");
    let chain = TABLE.chain("c");
    for rule in [
        r#"ip saddr 10.1.2.3 ip daddr != 10.1.2.0/24 masquerade comment "mine""#,
        "tcp flags syn log prefix \"x\"",
    ] {
        nft(&["add", "rule", "inet", "t", "c", rule]);
    }
    let rule = inet()
        .source(network("10.1.2.3/32"))
        .destination_outside(network("10.1.2.0/24"))
        .masquerade();
    let listed = kernel.rules(chain).unwrap();
    assert!(listed[0].same_as(&rule), "{listed:?}");
    assert_eq!(listed[0].comment.as_deref(), Some("mine"));
    let unknown = Expression::Other {
        name: "log".to_owned(),
    };
    assert!(listed[1].expressions.contains(&unknown), "{listed:?}");
}

#[test]
fn the_tool_shows_comments_of_every_kind_of_object_as_json() {
    let kernel = private();
    let nat = BaseChain::new(ChainKind::Nat, Hook::Postrouting, SOURCE_NAT);
    commit(&kernel, |changes| {
        changes.add_table(TABLE, Some("about the table"));
        let layout = ChainLayout::base(nat).with_comment("about the chain");
        changes.add_chain(TABLE.chain("c"), &layout);
        let rule = inet().masquerade().with_comment("about the rule");
        changes.append_rule(TABLE.chain("c"), &rule);
        let layout = SetLayout::set(&[DataType::Port]).with_comment("about the set");
        changes.add_set(TABLE.set("s"), &layout);
        let element = Element::new(&[Value::Port(80)]).with_comment("about the element");
        changes.add_elements(TABLE.set("s"), &[element]);
    });
    let json = nft(&["-j", "list", "ruleset"]);
    for about in ["rule", "set", "element"] {
        let comment = format!(r#""comment": "about the {about}""#);
        assert!(json.contains(&comment), "{about}: {json}");
    }
    assert!(
        json.contains(r#""hook": "postrouting", "prio": 100, "policy": "accept""#),
        "{json}"
    );
    // This version of the tool leaves these two out of its JSON.
    let text = nft(&["list", "ruleset"]);
    assert!(text.contains("comment \"about the table\""), "{text}");
    assert!(text.contains("comment \"about the chain\""), "{text}");

    let chain = kernel.chain(TABLE.chain("c")).unwrap().unwrap();
    assert_eq!(chain.comment.as_deref(), Some("about the chain"));
    assert_eq!(chain.base, Some(nat));
}

#[test]
fn notes_stay_beside_comments_and_the_tool_passes_over_them() {
    let kernel = private();
    with_chain(&kernel, "c");
    let (chain, set) = (TABLE.chain("c"), TABLE.set("s"));
    let rule = inet().counter().with_comment("seen").with_note("kept");
    let element = Element::new(&[Value::Port(80)])
        .with_comment("seen")
        .with_note("kept");
    commit(&kernel, |changes| {
        changes.append_rule(chain, &rule);
        changes.append_rule(chain, &inet().counter().with_note("alone"));
        changes.add_set(set, &SetLayout::set(&[DataType::Port]));
        changes.add_elements(set, std::slice::from_ref(&element));
    });
    let json = nft(&["-j", "list", "ruleset"]);
    assert_eq!(json.matches(r#""comment": "seen""#).count(), 2, "{json}");
    assert!(!json.contains("kept") && !json.contains("alone"), "{json}");
    let listed = kernel.rules(chain).unwrap();
    let texts = listed
        .iter()
        .map(|rule| (rule.comment.as_deref(), rule.note.as_deref()));
    assert!(texts.eq([(Some("seen"), Some("kept")), (None, Some("alone"))]));
    assert_eq!(kernel.elements(set).unwrap(), [element]);
}

#[test]
fn rules_are_placed_and_deleted_by_handle() {
    let kernel = private();
    with_chain(&kernel, "c");
    let chain = TABLE.chain("c");
    let named = |name: &str| inet().counter().with_comment(name);
    commit(&kernel, |changes| {
        changes
            .append_rule(chain, &named("b"))
            .append_rule(chain, &named("d"));
    });
    let handle = |position: usize| kernel.rules(chain).unwrap()[position].handle;
    commit(&kernel, |changes| {
        changes
            .insert_rule(chain, &named("a"))
            .append_rule_behind(chain, handle(0), &named("c"))
            .insert_rule_before(chain, handle(1), &named("x"));
    });
    let comments = || -> String {
        let rules = kernel.rules(chain).unwrap();
        rules.into_iter().filter_map(|rule| rule.comment).collect()
    };
    assert_eq!(comments(), "abcxd");
    commit(&kernel, |changes| {
        changes.delete_rule(chain, handle(3));
    });
    assert_eq!(comments(), "abcd");
    commit(&kernel, |changes| {
        changes.flush_chain(chain);
    });
    assert_eq!(comments(), "");
}

#[test]
fn matches_of_iptables_are_read_and_written_so_that_its_tools_know_them() {
    let kernel = private();
    let run = |words: &str| {
        let mut words = words.split(' ');
        let mut command = Command::new(words.next().unwrap());
        command.args(words).status().unwrap().success()
    };
    let states = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT";
    assert!(run("iptables -N THEIRS") && run("iptables -N OURS"));
    assert!(run(&format!("iptables -A THEIRS -d 10.1.2.3/32 {states}")));
    let filter = Table::new(Family::Ipv4, "filter");
    let theirs = &kernel.rules(filter.chain("THEIRS")).unwrap()[0];
    let conntrack = theirs.expressions.iter().find_map(|one| match one {
        Expression::Match { name, .. } if name == "conntrack" => Some(one.clone()),
        _ => None,
    });
    let ours = Rule::new(Family::Ipv4)
        .destination(network("10.1.2.3/32"))
        .with(conntrack.unwrap())
        .counter()
        .accept();
    assert!(theirs.same_as(&ours), "{theirs:?}");
    commit(&kernel, |changes| {
        changes.append_rule(filter.chain("OURS"), &ours);
    });
    assert!(run(&format!("iptables -C OURS -d 10.1.2.3/32 {states}")));
    assert!(run(&format!("iptables -D OURS -d 10.1.2.3/32 {states}")));
}
