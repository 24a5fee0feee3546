//! CHECK: every rule and every element counts, and what is missing is named.

use ferrule_testkit::Host;
use serde_json::{Value, json};

use crate::portmap::FORMS;
use crate::portmap::node::{HOST, Node, Pod, mapping, mapping_at};

/// Mappings of both families, of two protocols and of one address of the host.
fn mappings() -> [Value; 3] {
    [
        mapping("tcp", 8080, 80),
        mapping("udp", 8080, 80),
        mapping_at(HOST[0], "sctp", 9090, 90),
    ]
}

/// CHECK must fail and name one of these.
#[track_caller]
fn assert_names(pod: &Pod, names: &[&str], what: &str) {
    let outcome = pod.portmap.check();
    assert!(!outcome.status.success(), "CHECK does not notice {what}");
    let error = outcome.error();
    assert_eq!(error.code, 999, "{what}: {}", error.msg);
    let told = names.iter().any(|name| error.msg.contains(name));
    assert!(told, "{names:?} of {what} in: {}", error.msg);
    assert!(
        error.msg.contains("is missing or was changed"),
        "{}",
        error.msg
    );
}

/// What a rule becomes that somebody tampers with; the same if there is nothing to tamper with.
fn changed(rule: &str) -> String {
    let changes = [
        ("dport 8080", "dport 8081"),
        ("dports 8080", "dports 8081"),
        ("dport 9090", "dport 9091"),
        ("dports 9090", "dports 9091"),
        ("10.1.2.2 ", "10.1.2.99 "),
        ("fd00:1:2::2 ", "fd00:1:2::99 "),
        ("type local", "type unicast"),
        ("dst-type LOCAL", "dst-type UNICAST"),
        ("0x2000/0x2000", "0x4000/0x4000"),
        ("jump hostports", "jump hostip_hostports"),
        ("jump hostip_hostports", "jump hostports"),
    ];
    let change = changes.iter().find(|(from, _)| rule.contains(from));
    change.map_or_else(|| rule.to_owned(), |(from, to)| rule.replacen(from, to, 1))
}

ferrule_testkit::test! {
    /// Each rule of iptables, removed or changed by itself.
    fn every_iptables_rule_counts(host, form in ["iptables", "iptables-legacy"])
        needs [Iptables, Ip6tables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod = node.publish("pod", &mappings());
        pod.portmap.check().succeeds();
        let suffix = form.strip_prefix("iptables").unwrap();
        for tool in ["iptables", "ip6tables"] {
            let (save, restore) = (format!("{tool}{suffix}-save"), format!("{tool}{suffix}-restore"));
            let saved = host.tool(&save, "-t nat");
            let write = |text: &str| {
                host.exec_with_input([&restore], text).succeeds();
            };
            let rules = saved.lines().filter(|line| line.starts_with("-A") && !line.contains("if:"));
            let mut count = 0;
            for rule in rules {
                let chain = rule.split(' ').nth(1).unwrap();
                let marks = ["CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ"];
                let names = if marks.contains(&chain) { &marks[..] } else { &[chain] };
                write(&saved.replacen(&format!("{rule}\n"), "", 1));
                assert_names(&pod, names, rule);
                let other = changed(rule);
                if other != rule {
                    write(&saved.replacen(rule, &other, 1));
                    assert_names(&pod, names, &other);
                }
                write(&saved);
                count += 1;
            }
            assert!(count >= 9, "{saved}");
            pod.portmap.check().succeeds();
        }
    }
}

/// A rule as `nft -a` lists it.
struct Listed {
    /// `ip cni_hostport hostports`
    chain: String,
    text: String,
    handle: String,
}

fn listed(host: &Host) -> Vec<Listed> {
    let text = host.tool("nft", "-s -a list ruleset");
    let (mut table, mut chain) = (String::new(), String::new());
    let mut rules = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["table", family, name, ..] => table = format!("{family} {name}"),
            ["chain", name, ..] => chain = format!("{table} {name}"),
            ["map" | "set" | "type" | "flags" | "elements", ..] => {}
            [.., "handle", handle] => rules.push(Listed {
                chain: chain.clone(),
                text: line.split(" # handle").next().unwrap().to_owned(),
                handle: handle.to_owned(),
            }),
            _ => {}
        }
    }
    rules
}

ferrule_testkit::test! {
    /// Each rule of nftables, removed or changed by itself; ADD makes it whole again.
    fn every_nftables_rule_counts(host, form in ["nftables", "maps"])
        needs [Nftables, Ipv6] {
        let node = Node::new(host, form);
        let pod = node.publish("pod", &mappings());
        let total = listed(host).len();
        assert!(total >= 10, "{}", node.rules());
        for place in 0..total {
            for change in [false, true] {
                let rule = &listed(host)[place];
                let Listed { chain, text, handle } = rule;
                let other = changed(text);
                if !change {
                    host.tool("nft", format!("delete rule {chain} handle {handle}"));
                } else if other == *text {
                    continue;
                } else {
                    host.tool("nft", format!("replace rule {chain} handle {handle} {other}"));
                }
                let name = chain.rsplit(' ').next().unwrap();
                assert_names(&pod, &[name], &format!("{chain} {text}"));
                pod.portmap.add().succeeds();
                pod.portmap.check().succeeds();
                assert_eq!(listed(host).len(), total, "{}", node.rules());
            }
        }
    }
}

ferrule_testkit::test! {
    /// Each element of the maps and of the set, removed, changed, or somebody else's.
    fn every_element_counts(host) needs [Nftables, Ipv6] {
        let node = Node::new(host, "maps");
        let pod = node.publish("pod", &mappings());
        let own = "10.1.2.2";
        for (set, key, data) in [
            ("ip cni_hostport_map hostports", "tcp . 8080", format!(": {own} . 80")),
            ("ip cni_hostport_map hostports", "udp . 8080", format!(": {own} . 80")),
            ("ip cni_hostport_map hostip_hostports", "192.0.2.1 . sctp . 9090", format!(": {own} . 90")),
            ("ip6 cni_hostport_map hostports", "tcp . 8080", ": fd00:1:2::2 . 80".to_owned()),
            ("ip cni_hostport_map masquerading", "10.1.2.0/24 . 10.1.2.2", String::new()),
            ("ip cni_hostport_map masquerading", "127.0.0.1 . 10.1.2.2", String::new()),
            ("ip6 cni_hostport_map masquerading", "fd00:1:2::/64 . fd00:1:2::2", String::new()),
        ] {
            let name = set.rsplit(' ').next().unwrap();
            let before = node.rules();
            host.tool("nft", format!("delete element {set} {{ {key} }}"));
            assert_names(&pod, &[name], key);
            // The same again, but nobody's.
            host.tool("nft", format!("add element {set} {{ {key} {data} }}"));
            assert_names(&pod, &[name], key);
            host.tool("nft", format!("delete element {set} {{ {key} }}"));
            if !data.is_empty() {
                let other = data.replace("80", "81").replace("90", "91");
                let comment = r#"comment "a4861f4ae9f7d238-0000000000000000""#;
                host.tool("nft", ["add", "element", set, &format!("{{ {key} {comment} {other} }}")].join(" "));
                assert_names(&pod, &[name], key);
                host.tool("nft", format!("delete element {set} {{ {key} }}"));
            }
            pod.portmap.add().succeeds();
            pod.portmap.check().succeeds();
            assert_eq!(node.rules(), before);
        }
    }
}

ferrule_testkit::test! {
    /// The kernel setting that lets localhost through counts as well.
    fn route_localnet_counts(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod = node.publish("pod", &[mapping("tcp", 8080, 80)]);
        host.tool("sysctl", "-qw net.ipv4.conf.cni0.route_localnet=0");
        pod.portmap.check().fails().mentions("net/ipv4/conf/cni0/route_localnet");
        host.tool("sysctl", "-qw net.ipv4.conf.cni0.route_localnet=1");
        pod.portmap.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// CHECK looks where the mappings are, not where new ones would go, and needs the result of
    /// ADD. Without mappings there is nothing to check.
    fn mappings_are_looked_for_where_they_are(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod = node.publish("pod", &[mapping("tcp", 8080, 80)]);
        for keys in [
            json!({ "backend": "iptables", "nftablesMaps": null }),
            json!({ "backend": "nftables", "nftablesMaps": null }),
            json!({ "backend": null, "nftablesMaps": null }),
            json!({ "backend": null, "nftablesMaps": true }),
        ] {
            pod.call_with(&keys).check().succeeds();
        }
        pod.call_with(&json!({ "prevResult": null })).check().fails_with_code(7).mentions("prevResult");
        pod.portmap.del().succeeds();
        pod.portmap.check().fails();
        pod.call_with(&json!({ "runtimeConfig": null })).check().succeeds();
    }
}
