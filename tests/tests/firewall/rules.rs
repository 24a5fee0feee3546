//! CHECK misses any single rule, and ADD puts it back where it belongs.

use ferrule_testkit::{Call, Host};
use serde_json::json;

use crate::firewall::node::{CASES, Node, needs};

const ADDRESSES: [&str; 2] = ["10.1.1.2", "fd00:1:1::2"];

/// The back ends of which every rule is in a packet filter's listing.
const LISTED: &[&str] = CASES.split_last().unwrap().1;

/// The commands that each delete one rule of the plugin's, with what CHECK is to mention of it.
fn deletions(host: &Host) -> Vec<(String, String)> {
    let mut deletions = Vec::new();
    for tool in ["iptables", "ip6tables"] {
        // The comments contain blanks: the shell takes them apart as they were printed.
        let rules = host.iptables_rules(tool, "filter", "");
        for rule in rules.into_iter().filter(|rule| rule.starts_with("-A ")) {
            deletions.push((format!("{tool} {}", rule.replacen("-A", "-D", 1)), rule));
        }
    }
    for table in ["inet ferrule_firewall", "inet filter"] {
        let listed = host.exec(format!("nft -a list table {table}"));
        let mut chain = "";
        for line in listed.stdout.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("chain ") {
                chain = name.split(' ').next().unwrap();
            }
            let Some((rule, handle)) = line.split_once(" # handle ") else {
                continue;
            };
            if rule.ends_with('{') {
                continue;
            }
            let rule = rule.split(" comment ").next().unwrap();
            deletions.push((
                format!("nft delete rule {table} {chain} handle {handle}"),
                rule.to_owned(),
            ));
        }
    }
    deletions
}

fn shell(host: &Host, command: &str) {
    host.exec(["sh", "-c", command]).succeeds();
}

/// Fails unless CHECK misses the rule that a command takes away, and ADD puts it back.
#[track_caller]
fn assert_missed(host: &Host, call: &Call, command: &str, told: &str) {
    shell(host, command);
    let outcome = call.check().fails_with_code(999);
    assert!(outcome.error().msg.contains(told), "{told} from {outcome}");
    call.add().succeeds();
    call.check().succeeds();
}

ferrule_testkit::test! {
    /// Whichever rule is deleted, CHECK names it, and ADD makes it again.
    fn no_rule_can_be_taken_away_unnoticed(host, case in LISTED => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let call = node.call(1, "c1", &ADDRESSES, &json!({ "ingressPolicy": "isolated" }));
        call.add().succeeds();
        call.check().succeeds();
        let deletions = deletions(host);
        assert!(deletions.len() >= if case.starts_with("nftables") { 11 } else { 20 }, "{deletions:#?}");
        // Handles change when a rule is made again, so each is looked up anew.
        for (_, told) in &deletions {
            let rules: Vec<(String, String)> = self::deletions(host);
            let (command, _) = rules.iter().find(|(_, rule)| rule == told)
                .unwrap_or_else(|| panic!("{told} is not among {rules:#?}"));
            assert_missed(host, &call, command, told);
        }
    }
}

ferrule_testkit::test! {
    /// Whichever element is deleted, CHECK names it, and ADD makes it again.
    fn no_element_can_be_taken_away_unnoticed(host) needs [Nftables, Iptables, Ip6tables] {
        let node = Node::new(host, "nftables beside a ruleset");
        let call = node.call(1, "c1", &ADDRESSES, &json!({ "ingressPolicy": "isolated" }));
        call.add().succeeds();
        for (table, set, element) in [
            ("ferrule_firewall", "cni_containers4", "10.1.1.2"),
            ("ferrule_firewall", "cni_containers6", "fd00:1:1::2"),
            ("filter", "cni_containers4", "10.1.1.2"),
            ("filter", "cni_containers6", "fd00:1:1::2"),
            ("ferrule_firewall", "cni_bridges", "br1"),
            ("ferrule_firewall", "cni_same_bridge", "br1 . br1"),
            ("ferrule_firewall", "cni_isolated_bridges", "br1 . br1"),
        ] {
            let command = format!("nft 'delete element inet {table} {set} {{ {element} }}'");
            assert_missed(host, &call, &command, set);
        }
        // One of another owner is not the container's.
        let stolen = "nft 'delete element inet filter cni_containers4 { 10.1.1.2 }; \
                      add element inet filter cni_containers4 { 10.1.1.2 comment \"x\" }'";
        assert_missed(host, &call, stolen, "cni_containers4");
    }
}

ferrule_testkit::test! {
    /// A rule that is changed is another one.
    fn a_changed_rule_is_noticed(host, case in ["iptables", "legacy iptables", "nftables beside iptables"] => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let call = node.call(1, "c1", &ADDRESSES, &json!({}));
        call.add().succeeds();
        for (command, told) in [
            ("iptables -R CNI-FORWARD 2 -s 10.1.1.2/32 -j DROP", "-s 10.1.1.2/32 -j ACCEPT"),
            ("iptables -R CNI-FORWARD 2 -s 10.1.1.3/32 -j ACCEPT", "-s 10.1.1.2/32 -j ACCEPT"),
            ("ip6tables -R CNI-FORWARD 2 -s fd00:1:1::2/128 -p tcp -j ACCEPT", "-s fd00:1:1::2/128 -j ACCEPT"),
            (
                "iptables -R CNI-FORWARD 3 -d 10.1.1.2/32 -m conntrack --ctstate ESTABLISHED -j ACCEPT",
                "-d 10.1.1.2/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            ),
        ] {
            assert_missed(host, &call, command, told);
            call.del().succeeds();
            for tool in ["iptables", "ip6tables"] {
                host.tool(tool, "-F CNI-FORWARD");
            }
            call.add().succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// When the way to the accepting chain is lost, the isolating one still comes first after the
    /// next ADD, even of a network without a policy.
    fn isolation_stays_in_front(host, case in LISTED => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let isolated = node.call(1, "c1", &ADDRESSES, &json!({ "ingressPolicy": "same-bridge" }));
        isolated.add().succeeds();
        let open = node.call(2, "c2", &["10.1.2.2", "fd00:1:2::2"], &json!({}));
        let lost = |rule: &&(String, String)| {
            rule.1.ends_with("-j CNI-FORWARD") || rule.1.ends_with("jump CNI-FORWARD")
        };
        let lost: Vec<_> = deletions(host).iter().filter(lost).cloned().collect();
        assert!(lost.len() >= 2 || case.starts_with("nftables"), "{lost:?}");
        for (command, told) in lost {
            shell(host, &command);
            isolated.check().fails().mentions(&told);
        }
        open.add().succeeds();
        isolated.check().succeeds();
        // The wrong order is noticed, too.
        if case.ends_with("iptables") && !case.starts_with("nftables") {
            let jump = "-j CNI-FORWARD -m comment --comment 'CNI firewall plugin rules'";
            shell(host, &format!("iptables -D FORWARD {jump}; iptables -I FORWARD {jump}"));
            isolated.check().fails().mentions("wrong place");
            open.add().succeeds();
            isolated.check().succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// A bridge that is no longer isolated loses the rule that says so, unless another network of
    /// the bridge wants it.
    fn a_policy_can_be_eased(host, case in LISTED => needs)
    needs [Iptables, Ip6tables, Nftables] {
        let node = Node::new(host, case);
        let isolated = |node: &Node| {
            let rules = node.rules();
            rules.lines().any(|line| {
                line.contains("-i br1 -o br1") || line.contains(r#"iifname "br1" oifname "br1""#)
            }) || rules.split("set cni_isolated_bridges").nth(1).is_some_and(|set| {
                set.split('}').next().unwrap().contains("br1")
            })
        };
        let call = |network: u8, policy: &str| {
            let keys = json!({ "ingressPolicy": policy, "name": format!("net{network}") });
            node.call(1, &format!("c{network}{policy}"), &ADDRESSES, &keys)
        };
        call(1, "isolated").add().succeeds();
        call(2, "isolated").add().succeeds();
        call(1, "same-bridge").add().succeeds();
        call(1, "same-bridge").check().succeeds();
        assert!(isolated(&node), "{}", node.rules());
        call(2, "same-bridge").add().succeeds();
        call(2, "same-bridge").check().succeeds();
        assert!(!isolated(&node), "{}", node.rules());
    }
}
