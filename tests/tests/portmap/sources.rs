//! Whose source address is translated, and who is let in.

use ferrule_testkit::Namespace;
use serde_json::{Value, json};

use crate::portmap::FORMS;
use crate::portmap::node::{HOST, Node, OUTSIDE, at, mapping, seen};

ferrule_testkit::test! {
    /// Beside `ipMasq`: what the container sends out has the host's address, what comes in keeps
    /// its own, and containers see each other.
    fn masquerading_goes_on_beside_mappings(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let mut node = Node::new(host, form);
        node.network = node.network.clone().with(json!({ "ipMasq": true }));
        let pod = node.publish("pod", &[mapping("tcp", 8080, 80)]);
        let other = node.pod("other");
        for family in [0, 1] {
            let out = seen("tcp", &node.outside, 80, pod.namespace(), at(OUTSIDE[family], 80));
            assert_eq!(out, Some(at(HOST[family], 0).ip()));
            let into = seen("tcp", pod.namespace(), 80, &node.outside, at(HOST[family], 8080));
            assert_eq!(into, Some(at(OUTSIDE[family], 0).ip()));
            let between = seen("tcp", pod.namespace(), 80, &other.container, at(pod.address(family), 80));
            assert_eq!(between, Some(at(other.address(family), 0).ip()));
            let over_host = seen("tcp", pod.namespace(), 80, &other.container, at(HOST[family], 8080));
            assert!(over_host.is_some(), "{}", node.rules());
        }
    }
}

ferrule_testkit::test! {
    /// With `masqAll` the container sees everybody who comes over the host as the host, and
    /// nobody else.
    fn everybody_is_masqueraded_if_asked(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod = node.publish_with("pod", &[mapping("tcp", 8080, 80)], &json!({ "masqAll": true }));
        for family in [0, 1] {
            let peer = seen("tcp", pod.namespace(), 80, &node.outside, at(HOST[family], 8080));
            let peer = peer.unwrap_or_else(|| panic!("{}", node.rules()));
            assert_ne!(peer, at(OUTSIDE[family], 0).ip());
            let direct = seen("tcp", pod.namespace(), 80, &node.outside, at(pod.address(family), 80));
            assert_eq!(direct, Some(at(OUTSIDE[family], 0).ip()));
        }
        assert!(seen("tcp", pod.namespace(), 80, host, at("127.0.0.1", 8080)).is_some());
        pod.portmap.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// With `snat` false nobody's source is translated: localhost does not get through, everybody
    /// from outside does.
    fn nobody_is_masqueraded_if_asked(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod = node.publish_with("pod", &[mapping("tcp", 8080, 80)], &json!({ "snat": false }));
        for family in [0, 1] {
            let peer = seen("tcp", pod.namespace(), 80, &node.outside, at(HOST[family], 8080));
            assert_eq!(peer, Some(at(OUTSIDE[family], 0).ip()));
        }
        assert_eq!(seen("tcp", pod.namespace(), 80, host, at("127.0.0.1", 8080)), None);
        let localnet = std::fs::read_to_string("/proc/thread-self/root/proc/sys/net/ipv4/conf/cni0/route_localnet");
        assert_eq!(localnet.unwrap().trim(), "0");
if form == "maps" {
            let set = host.tool("nft", "list set ip cni_hostport_map masquerading");
            assert!(!set.contains("elements"), "{set}");
        } else {
            let rules = node.rules();
            assert!(!rules.contains("masquerade") && !rules.contains("CNI-HOSTPORT-MASQ"));
        }
        pod.portmap.check().succeeds();
    }
}

/// Conditions that let everybody but one address in, in the words of the form.
fn everybody_but(form: &str, [v4, v6]: [&str; 2]) -> Value {
    if form.starts_with("iptables") {
        json!({ "conditionsV4": ["!", "-s", v4], "conditionsV6": ["!", "-s", v6] })
    } else {
        json!({ "conditionsV4": ["ip", "saddr", "!=", v4], "conditionsV6": ["ip6 saddr !=", v6] })
    }
}

ferrule_testkit::test! {
    /// Conditions are those of one container: others go on being reached by everybody.
    fn conditions_concern_their_container_alone(host, form in ["iptables", "iptables-legacy", "nftables"])
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let open = node.publish("open", &[mapping("tcp", 8081, 80)]);
        let keys = everybody_but(form, OUTSIDE);
        let closed = node.publish_with("closed", &[mapping("tcp", 8080, 80)], &keys);
        let later = node.publish("later", &[mapping("tcp", 8082, 80)]);
        let reached = |pod: &Namespace, from: &Namespace, address: &str, port| {
            seen("tcp", pod, 80, from, at(address, port)).is_some()
        };
        for (address, far_side) in [(HOST[0], "198.51.100.1"), (HOST[1], "2001:db8:f::1")] {
            assert!(!reached(closed.namespace(), &node.outside, address, 8080));
            assert!(reached(closed.namespace(), &node.far, far_side, 8080), "{}", node.rules());
            assert!(reached(open.namespace(), &node.outside, address, 8081));
            assert!(reached(later.namespace(), &node.outside, address, 8082));
        }
        for pod in [&open, &closed, &later] {
            pod.portmap.check().succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// The mark that asks for masquerading is any bit, and after a change nothing of the old one
    /// is left; or an administrator's chain sets it.
    fn marks_are_chosen(host, form in ["iptables", "iptables-legacy"])
        needs [Iptables, Ip6tables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let reached = |pod: &Namespace, port| {
            seen("tcp", pod, 80, host, at("127.0.0.1", port)).is_some()
        };
        let first = node.publish("first", &[mapping("tcp", 8080, 80)]);
        let keys = json!({ "markMasqBit": 31 });
        let second = node.publish_with("second", &[mapping("tcp", 8081, 80)], &keys);
        assert!(reached(first.namespace(), 8080) && reached(second.namespace(), 8081));
        assert!(!node.rules().contains("0x2000") && !node.rules().contains("0x00002000"));
        for pod in [&first, &second] {
            pod.portmap.check().succeeds();
        }
        let keys = json!({ "externalSetMarkChain": "MARK-IT" });
        let third = node.prepare("third", &[mapping("tcp", 8082, 80)], &keys);
        let before = node.rules();
        third.portmap.add().fails().mentions("MARK-IT");
        assert_eq!(node.rules(), before, "nothing changes without the administrator's chain");
        let folder = if form == "iptables" { "" } else { "-legacy" };
        for tool in ["iptables", "ip6tables"] {
            let tool = format!("{tool}{folder}");
            host.tool(&tool, "-t nat -N MARK-IT");
            host.tool(&tool, "-t nat -A MARK-IT -j MARK --set-xmark 0x80000000/0x80000000");
        }
        third.portmap.add().succeeds();
        assert!(reached(third.namespace(), 8082));
        third.portmap.check().succeeds();
    }
}
