use proptest::prelude::*;

use super::*;
use crate::config::Config;

fn plan(keys: &str, mappings: &str) -> Plan {
    let text = format!(r#"{{{keys}"runtimeConfig": {{"portMappings": [{mappings}]}}}}"#);
    let node = cni_types::json::JsonValue::read(text.as_bytes()).unwrap();
    Plan::new(&node.decode::<Config>().unwrap()).unwrap()
}

fn id(network: &str, container_id: &str) -> AttachmentId {
    AttachmentId {
        network: network.into(),
        container_id: container_id.into(),
        ifname: "eth0".into(),
    }
}

fn rules(plan: &Plan, address: &str) -> ContainerRules {
    let address = address.parse().unwrap();
    ContainerRules::new(&id("test", "1234"), &Target { address }, plan)
}

fn own(plan: &Plan, address: &str) -> Vec<String> {
    let rules = rules(plan, address);
    rules.own.iter().map(|(_, rule)| rule.to_string()).collect()
}

const MAPPINGS: &str = r#"
    {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
    {"hostPort": 8081, "containerPort": 80, "protocol": "tcp"},
    {"hostPort": 8080, "containerPort": 81, "protocol": "udp", "hostIP": "192.0.2.1"},
    {"hostPort": 8082, "containerPort": 82, "protocol": "sctp", "hostIP": "fd00::1"}"#;

#[test]
fn the_chain_has_the_go_plugins_name() {
    let rules = rules(&plan("", MAPPINGS), "10.1.0.2/16");
    assert_eq!(rules.chain, "CNI-DN-2bbe0c48b91a7d1b8a675");
}

#[test]
fn entries_name_the_ports_of_each_protocol() {
    let keys = r#""conditionsV4": ["!", "-s", "192.0.2.0/24"], "#;
    let rules = |address| rules(&plan(keys, MAPPINGS), address).entries;
    let entry = |protocol: &str, ports: &str, condition: &str| {
        format!(
            r#"-p {protocol} -m comment --comment "dnat name: \"test\" id: \"1234\"" -m multiport --dports {ports}{condition} -j CNI-DN-2bbe0c48b91a7d1b8a675"#
        )
    };
    let v4 = |protocol, ports| entry(protocol, ports, " ! -s 192.0.2.0/24");
    let texts = rules("10.1.0.2/16")
        .into_iter()
        .map(|rule| rule.to_string());
    assert!(texts.eq([
        v4("sctp", "8082"),
        v4("tcp", "8080,8081"),
        v4("udp", "8080")
    ]));
    let texts = rules("fd00::2/64").into_iter().map(|rule| rule.to_string());
    let v6 = |protocol, ports| entry(protocol, ports, "");
    assert!(texts.eq([
        v6("sctp", "8082"),
        v6("tcp", "8080,8081"),
        v6("udp", "8080")
    ]));
}

#[test]
fn ports_of_one_address_have_entries_of_their_own() {
    let narrow = |keys: &str| {
        let rules = rules(&plan(keys, MAPPINGS), "10.1.0.2/16");
        let entries: Vec<Entry> = rules
            .narrow
            .iter()
            .chain(&rules.entries)
            .map(|rule| {
                Entry::from(&ListedRule {
                    chain: "D".into(),
                    rule: rule.clone(),
                })
            })
            .collect();
        assert!(entries.iter().all(|entry| container_of(entry) == "1234"));
        let count = entries.iter().filter(|entry| is_narrow(entry)).count();
        assert_eq!(count, rules.narrow.len());
        rules
            .narrow
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        narrow(""),
        [
            r#"-d 192.0.2.1/32 -p udp -m comment --comment "dnat name: \"test\" id: \"1234\" at 192.0.2.1" -m multiport --dports 8080 -j CNI-DN-2bbe0c48b91a7d1b8a675"#
        ]
    );
    assert_eq!(
        narrow(r#""conditionsV4": ["!", "-d", "192.0.2.0/24"], "#),
        Vec::<String>::new()
    );
}

#[test]
fn neighbours_and_localhost_are_marked_before_the_translation() {
    assert_eq!(
        own(&plan("", MAPPINGS), "10.1.0.2/16"),
        [
            "-s 10.1.0.0/16 -d 192.0.2.1/32 -p udp -m udp --dport 8080 -j CNI-HOSTPORT-SETMARK",
            "-s 127.0.0.1/32 -d 192.0.2.1/32 -p udp -m udp --dport 8080 -j CNI-HOSTPORT-SETMARK",
            "-d 192.0.2.1/32 -p udp -m udp --dport 8080 -j DNAT --to-destination 10.1.0.2:81",
            "-s 10.1.0.0/16 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK",
            "-s 127.0.0.1/32 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK",
            "-p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80",
            "-s 10.1.0.0/16 -p tcp -m tcp --dport 8081 -j CNI-HOSTPORT-SETMARK",
            "-s 127.0.0.1/32 -p tcp -m tcp --dport 8081 -j CNI-HOSTPORT-SETMARK",
            "-p tcp -m tcp --dport 8081 -j DNAT --to-destination 10.1.0.2:80",
        ]
    );
    assert_eq!(
        own(&plan("", MAPPINGS), "fd00::2/64")[..2],
        [
            "-s fd00::/64 -d fd00::1/128 -p sctp -m sctp --dport 8082 -j CNI-HOSTPORT-SETMARK",
            "-d fd00::1/128 -p sctp -m sctp --dport 8082 -j DNAT --to-destination \"[fd00::2]:82\"",
        ]
    );
}

#[test]
fn marks_are_set_as_the_keys_say() {
    let mapping = r#"{"hostPort": 80, "containerPort": 80, "protocol": "tcp"}"#;
    let own = |keys| own(&plan(keys, mapping), "10.1.0.2/16");
    let translate = "-p tcp -m tcp --dport 80 -j DNAT --to-destination 10.1.0.2:80";
    assert_eq!(own(r#""snat": false, "#), [translate]);
    assert_eq!(
        own(r#""masqAll": true, "#),
        [
            "-p tcp -m tcp --dport 80 -j CNI-HOSTPORT-SETMARK",
            translate
        ]
    );
    assert_eq!(
        own(r#""masqAll": true, "externalSetMarkChain": "MARK-IT", "#),
        ["-p tcp -m tcp --dport 80 -j MARK-IT", translate]
    );
}

#[test]
fn long_comments_are_cut_as_the_go_plugin_cuts_them() {
    assert_eq!(entry_comment(&id("n", "c")), "dnat name: \"n\" id: \"c\"");
    // 21 letters are not the id.
    let fits = entry_comment(&id("n", &"c".repeat(234)));
    assert_eq!(fits.len(), 255);
    assert!(fits.ends_with("c\""));
    let cut = entry_comment(&id("n", &"c".repeat(235)));
    assert_eq!(cut.len(), 256);
    assert!(cut.ends_with("ccc..."));
}

#[test]
fn entries_tell_their_network() {
    let entry = |comment: &str| ListedRule {
        chain: "CNI-HOSTPORT-DNAT".into(),
        rule: Rule::new().comment(comment).jump("CNI-DN-x"),
    };
    assert!(is_of_network(&entry("dnat name: \"net\" id: \"c\""), "net"));
    assert!(is_of_network(&entry("snat name: \"net\" id: \"c\""), "net"));
    for other in [
        "dnat name: \"net2\" id: \"c\"",
        "name: \"net\" id: \"c\"",
        "",
    ] {
        assert!(!is_of_network(&entry(other), "net"), "{other}");
    }
}

#[test]
fn the_interface_of_a_chain_is_read_back() {
    let listed = |rule: Rule| ListedRule {
        chain: "CNI-DN-x".into(),
        rule,
    };
    let own = [
        listed(Rule::new().comment("if: \"eth1\"").jump("DNAT")),
        listed(note_rule(
            "eth0",
            &Traces {
                link: Some(7),
                netns: None,
            },
        )),
    ];
    assert_eq!(noted_interface(&own), Some("eth0"));
    assert_eq!(note(&own), Some("if: \"eth0\" link:7"));
    assert_eq!(noted_interface(&own[..1]), None);
    // As older releases wrote it.
    let older = [listed(Rule::new().comment("if: \"eth0\""))];
    assert_eq!(noted_interface(&older), Some("eth0"));
}

proptest! {
    /// Whatever is mapped is read back from the rules, and every port is in some entry.
    #[test]
    fn translations_are_read_back(
        ports in prop::collection::vec((1_u16.., 1_u16.., 0..3_usize, any::<bool>()), 1..40)
    ) {
        let mappings: Vec<String> = ports.iter().map(|(host, container, transport, only)| {
            let protocol = ["tcp", "udp", "sctp"][*transport];
            let host_ip = if *only { "192.0.2.1" } else { "" };
            format!(r#"{{"hostPort": {host}, "containerPort": {container}, "protocol": "{protocol}", "hostIP": "{host_ip}"}}"#)
        }).collect();
        let plan = plan("", &mappings.join(","));
        let rules = rules(&plan, "10.1.0.2/16");
        let read: Vec<Forwarding> = rules.own.iter().filter_map(|(_, rule)| {
            forwarding(&ListedRule { chain: rules.chain.clone(), rule: rule.clone() })
        }).collect();
        let target = Target { address: "10.1.0.2/16".parse().unwrap() };
        let wanted: Vec<Forwarding> = target
            .mappings(&plan)
            .iter()
            .map(|mapping| Forwarding::of(mapping, &target))
            .collect();
        prop_assert_eq!(read, wanted);
        let listed: usize = rules.entries.iter().map(|rule| {
            let entry = ListedRule { chain: String::new(), rule: rule.clone() };
            let count = entry.option("--dports").unwrap().split(',').count();
            assert!(count <= PORTS_PER_RULE);
            count
        }).sum();
        prop_assert_eq!(listed, ports.len());
    }
}
