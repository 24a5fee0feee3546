//! The Go plugin on the same node: each checks and removes what the other made.

use ferrule_testkit::{Call, Outcome};
use ferrule_tests::{Network, with_keys};
use serde_json::{Value, json};

use crate::portmap::node::{HOST, Node, Pod, at, mapping, mapping_at, seen};

/// Configurations of iptables with something special each, for containers of one family.
fn configurations(family: usize) -> Vec<Value> {
    let port = || mapping("tcp", 8080, 80);
    let ports = |entries: &[Value]| json!({ "portMappings": entries });
    let many: Vec<Value> = (0..33).map(|n| mapping("tcp", 8080 + n, 80)).collect();
    let kinds = [
        mapping_at(HOST[family], "udp", 8080, 81),
        port(),
        mapping_at(["127.0.0.1", "::1"][family], "tcp", 8081, 80),
        mapping_at(["0.0.0.0", "::"][family], "tcp", 8082, 80),
        mapping("sctp", 8085, 80),
    ];
    vec![
        json!({ "runtimeConfig": ports(&[port()]) }),
        json!({ "runtimeConfig": ports(&many) }),
        json!({ "runtimeConfig": ports(&kinds) }),
        json!({ "runtimeConfig": ports(&[port()]), "snat": false }),
        json!({ "runtimeConfig": ports(&[port()]), "markMasqBit": 3 }),
        json!({
            "runtimeConfig": ports(&kinds),
            "conditionsV4": ["!", "-s", "192.0.2.77", "!", "-d", "198.51.100.2/32"],
            "conditionsV6": ["!", "-d", "2001:db8::77/128"],
        }),
        json!({ "runtimeConfig": ports(&[port()]), "externalSetMarkChain": "MARK-IT" }),
    ]
}

/// A network of one family.
fn of_family(network: &Network, family: usize) -> Network {
    let subnet = ["10.1.2.0/24", "fd00:1:2::/64"][family];
    network
        .clone()
        .with(json!({ "ipam": { "type": "host-local", "subnet": subnet } }))
}

/// The calls of both plugins for a container with these keys. Debian's Go plugin knows iptables
/// alone and speaks 1.0.0 at most.
fn both(node: &Node<'_>, pod: &Pod, keys: &Value) -> [Call; 2] {
    let mut config = with_keys(pod.config.clone(), keys);
    config["cniVersion"] = "1.0.0".into();
    config["prevResult"]["cniVersion"] = "1.0.0".into();
    [node.call(), node.peer_call()].map(|call| {
        let container = &pod.attachment.container;
        let name = container.path().file_name().unwrap().to_str().unwrap();
        call.container(name).netns(container).config(&config)
    })
}

/// CHECK by the Go plugin. Debian's (1.1.1) looks for the rules of one family among those of the
/// other as well, and so never passes where both tools are: it gets to see that for IPv4 alone.
fn checked_by_peer(node: &Node<'_>, call: &Call, form: &str) -> Outcome {
    let folder = node.host.work_folder().join("only-ipv4");
    if std::fs::create_dir(&folder).is_ok() {
        let tool = format!(
            "/usr/sbin/{}",
            form.replace("iptables", "iptables-nft")
                .replace("nft-legacy", "legacy")
        );
        std::os::unix::fs::symlink(tool, folder.join("iptables")).unwrap();
    }
    call.clone().env("PATH", folder).check()
}

fn make_mark_chain(node: &Node<'_>, suffix: &str) {
    for tool in ["iptables", "ip6tables"] {
        node.host
            .tool(&format!("{tool}{suffix}"), "-t nat -N MARK-IT");
    }
}

ferrule_testkit::test! {
    /// What the Go plugin adds passes our CHECK, and our DEL leaves nothing of it; and the reverse.
    fn each_checks_and_removes_what_the_other_made(host, form in ["iptables", "iptables-legacy"])
        needs [Iptables, Ip6tables, Ipv6, PeerPlugins, Tool("iptables-legacy")] {
        let mut node = Node::new(host, form);
        make_mark_chain(&node, form.strip_prefix("iptables").unwrap());
        // The older ip6tables (1.8.9) takes rules for others that differ in the port alone, so the
        // Go plugin does not even add all of its own.
        let families = if form == "iptables" { 0..2 } else { 0..1 };
        for family in families {
            node.network = of_family(&Network::bridge(), family);
            let pod = node.prepare(&format!("pod{family}"), &[], &json!({}));
            let made = || node.rules().contains("CNI-DN-");
            for keys in configurations(family) {
                let [ours, theirs] = both(&node, &pod, &keys);
                for (adder, other) in [(&theirs, &ours), (&ours, &theirs)] {
                    adder.add().succeeds();
                    assert!(made(), "{keys}");
                    ours.check().succeeds();
                    if family == 0 {
                        checked_by_peer(&node, &theirs, form).succeeds();
                    }
                    other.del().succeeds();
                    assert!(!made(), "{keys} {}", node.rules());
                    ours.check().fails();
                    checked_by_peer(&node, &theirs, form).fails();
                    for call in [adder, other] {
                        call.del().succeeds();
                    }
                }
            }
        }
    }
}

ferrule_testkit::test! {
    /// Containers of both plugins side by side are reached, in whichever order they came.
    fn both_plugins_work_side_by_side(host, form in ["iptables", "iptables-legacy"])
        needs [Iptables, Ip6tables, Ipv6, PeerPlugins, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pods = ["a", "b", "c"].map(|name| node.prepare(name, &[], &json!({})));
        let port = |n: u16| json!({ "runtimeConfig": { "portMappings": [mapping("tcp", n, 80)] } });
        let calls: Vec<_> = pods.iter().zip(8080..).map(|(pod, n)| both(&node, pod, &port(n))).collect();
        for (place, plugin) in [(0, 0), (1, 1), (2, 0)] {
            calls[place][plugin].add().succeeds();
        }
        for (pod, port) in pods.iter().zip(8080..) {
            for address in [HOST[0], HOST[1], "127.0.0.1"] {
                let peer = seen("tcp", pod.namespace(), 80, host, at(address, port));
                assert!(peer.is_some(), "{address} {port}\n{}", node.rules());
            }
        }
        for [ours, _] in &calls {
            ours.check().succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// GC collects what the Go plugin left, chains of before 2018 included, which DEL removes too.
    fn older_forms_go_as_well(host, form in ["iptables", "iptables-legacy"])
        needs [Iptables, Ip6tables, Ipv6, PeerPlugins, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod = node.prepare("pod", &[mapping("tcp", 8080, 80)], &json!({}));
        pod.portmap.add().succeeds();
        let chain = node.rules();
        let chain = chain.split("CNI-DN-").nth(1).unwrap();
        let chain = format!("CNI-SN-{}", &chain[..21]);
        pod.portmap.del().succeeds();
        let suffix = form.strip_prefix("iptables").unwrap();
        let old_rules = || {
            for tool in ["iptables", "ip6tables"] {
                let input = format!(
                    "*nat\n:CNI-HOSTPORT-SNAT - [0:0]\n:{chain} - [0:0]\n\
                     -A CNI-HOSTPORT-SNAT -m comment --comment \"snat name: \\\"net\\\" id: \\\"pod\\\"\" -j {chain}\n\
                     -A {chain} -p tcp -m tcp --dport 80 -j MASQUERADE\nCOMMIT\n"
                );
                let restore = format!("{tool}{suffix}-restore");
                host.exec_with_input([&restore, "--noflush"], &input).succeeds();
            }
            assert!(node.rules().contains("CNI-SN-"));
        };
        old_rules();
        pod.portmap.del().succeeds();
        assert!(!node.rules().contains("CNI-SN-"), "{}", node.rules());

        old_rules();
        let keys = json!({ "runtimeConfig": { "portMappings": [mapping("tcp", 8080, 80)] } });
        let [_, theirs] = both(&node, &pod, &keys);
        theirs.add().succeeds();
        let gc = |network: &str| host.plugin("portmap").config(json!({
            "cniVersion": "1.1.0", "name": network, "type": "portmap", "cni.dev/valid-attachments": [],
        }));
        gc("net2").gc().succeeds();
        assert!(node.rules().contains("CNI-DN-") && node.rules().contains("CNI-SN-"));
        gc("net").gc().succeeds();
        let rules = node.rules();
        assert!(!rules.contains("CNI-SN-") && !pod.is_mentioned_in(&rules), "{rules}");
    }
}
