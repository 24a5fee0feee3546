//! DEL and GC: whatever happened before, nothing is left, and nothing of others is gone.

use ferrule_testkit::{Call, Host};
use serde_json::{Value, json};

use crate::portmap::FORMS;
use crate::portmap::node::{HOST, Node, Pod, at, mapping, mapping_at, seen};

/// More mappings than fit in one rule of iptables, of all kinds.
fn mappings() -> Vec<Value> {
    let mut all: Vec<Value> = (0..17).map(|n| mapping("tcp", 7000 + n, 80)).collect();
    all.push(mapping("udp", 7000, 80));
    all.push(mapping_at("127.0.0.1", "sctp", 7000, 80));
    all.push(mapping_at("2001:db8::1", "tcp", 7100, 80));
    all
}

/// The rules that are shared by all containers and stay, once somebody mapped something.
fn skeleton(pod: &Pod, node: &Node<'_>) -> String {
    pod.portmap.add().succeeds();
    pod.portmap.del().succeeds().stdout_is("");
    let rules = node.rules();
    assert!(!pod.is_mentioned_in(&rules), "{rules}");
    rules
}

ferrule_testkit::test! {
    /// The kernel takes any bytes for the name of an interface: what is noted of it is cut between
    /// characters, wherever that is.
    fn names_may_be_beyond_ascii(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let ifname = "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}";
        let pod = node.prepare("pod", &[mapping("tcp", 8080, 80)], &json!({}));
        let result = pod.attachment.result.to_string().replace("\"eth0\"", &format!("\"{ifname}\""));
        let result: Value = serde_json::from_str(&result).unwrap();
        let call = pod.call_with(&json!({ "prevResult": result })).ifname(ifname);
        for length in 64..80 {
            let call = call.clone().container(&"c".repeat(length));
            call.add().succeeds();
            call.check().succeeds();
            let seen = seen("tcp", pod.namespace(), 80, &node.outside, at(HOST[0], 8080));
            assert!(seen.is_some(), "{length}: {}", node.rules());
            call.del().succeeds();
            assert!(!pod.is_mentioned_in(&node.rules()), "{length}: {}", node.rules());
        }
    }
}

ferrule_testkit::test! {
    /// DEL with all it could know, with less, and with nothing but the names.
    fn del_needs_nothing_but_the_names(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod = node.prepare("pod", &mappings(), &json!({}));
        let skeleton = skeleton(&pod, &node);
        let bare = json!({ "prevResult": null, "runtimeConfig": null });
        let calls: Vec<Call> = vec![
            pod.portmap.clone(),
            pod.portmap.clone().netns(""),
            pod.portmap.clone().netns(host.path()),
            pod.call_with(&json!({ "prevResult": null })),
            pod.call_with(&json!({ "runtimeConfig": null })),
            pod.call_with(&bare),
            pod.call_with(&json!({ "runtimeConfig": { "portMappings": [mapping("tcp", 7003, 80)] } })),
            pod.call_with(&json!({ "prevResult": 7, "snat": "yes", "markMasqBit": 99 })),
            pod.call_with(&json!({ "backend": "iptables", "nftablesMaps": null })),
            pod.call_with(&json!({ "backend": "nftables", "nftablesMaps": null })),
            pod.call_with(&json!({ "backend": null, "nftablesMaps": null })),
            pod.call_with(&json!({ "backend": "unknown", "nftablesMaps": null })),
        ];
        for (place, call) in calls.iter().enumerate() {
            pod.portmap.add().succeeds();
            pod.portmap.check().succeeds();
            assert!(pod.is_mentioned_in(&node.rules()));
            call.del().succeeds().stdout_is("");
            assert_eq!(node.rules(), skeleton, "DEL {place}");
            call.del().succeeds().stdout_is("");
        }
        pod.portmap.add().succeeds();
        pod.attachment.container.remove();
        pod.call_with(&bare).del().succeeds();
        assert_eq!(node.rules(), skeleton);
        pod.portmap.del().succeeds();
    }
}

ferrule_testkit::test! {
    /// ADD again, with other mappings, replaces what was there.
    fn add_again_replaces(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod = node.prepare("pod", &[mapping("tcp", 8080, 80), mapping("tcp", 8081, 80)], &json!({}));
        let skeleton = skeleton(&pod, &node);
        pod.portmap.add().succeeds();
        let once = node.rules();
        pod.portmap.add().succeeds();
        assert_eq!(node.rules(), once);
        let fewer = json!({ "portMappings": [mapping("tcp", 8080, 81)] });
        let fewer = pod.call_with(&json!({ "runtimeConfig": fewer }));
        fewer.add().succeeds();
        fewer.check().succeeds();
        let reached = |port, to| seen("tcp", pod.namespace(), port, host, at(HOST[0], to)).is_some();
        assert!(reached(81, 8080) && !reached(80, 8080));
        fewer.del().succeeds();
        // What DEL was not told about goes with what it was told.
        pod.portmap.del().succeeds();
        assert_eq!(node.rules(), skeleton);
    }
}

ferrule_testkit::test! {
    /// Other networks and interfaces of the same container keep their mappings.
    fn attachments_of_one_container_are_told_apart(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let first = node.publish("pod", &[mapping("tcp", 8080, 80)]);
        let second = node.pod("second");
        let runtime = json!({ "portMappings": [mapping("tcp", 8081, 80)] });
        let other_network = first.call_with(&json!({
            "name": "net2", "prevResult": second.result, "runtimeConfig": runtime,
        }));
        let reached = |pod, port| seen("tcp", pod, 80, &node.outside, at(HOST[0], port)).is_some();
        other_network.add().succeeds();
        assert!(reached(first.namespace(), 8080) && reached(&second.container, 8081));
        other_network.check().succeeds();
        first.portmap.check().succeeds();
        other_network.del().succeeds();
        assert!(reached(first.namespace(), 8080) && !reached(&second.container, 8081));
        // A DEL of an interface that mapped nothing, or that had to give way.
        first.portmap.clone().ifname("eth1").del().succeeds();
        assert!(reached(first.namespace(), 8080));
        first.portmap.check().succeeds();
    }
}

/// A call of GC for a network that keeps these containers.
fn gc(host: &Host, network: &str, keep: &[&str]) -> Call {
    let keep: Vec<Value> = keep
        .iter()
        .map(|id| json!({ "containerID": id, "ifname": "eth0" }))
        .collect();
    host.plugin("portmap").config(json!({
        "cniVersion": "1.1.0", "name": network, "type": "portmap", "cni.dev/valid-attachments": keep,
    }))
}

ferrule_testkit::test! {
    /// GC takes what belongs to nobody listed, in every form, and leaves other networks alone.
    fn gc_collects_by_network(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let mut node = Node::new(host, form);
        let kept = node.publish("kept", &[mapping("tcp", 8080, 80), mapping("udp", 8080, 80)]);
        let other = node.prepare("other", &[mapping("tcp", 8081, 80)], &json!({ "name": "net2" }));
        other.portmap.add().succeeds();
        // Warm up every form, so that its shared rules are there.
        for form in FORMS {
            node.turn_to(form);
            let pod = node.publish(&format!("warm-{form}"), &[mapping("tcp", 8082, 80)]);
            pod.portmap.del().succeeds();
        }
        let before = node.rules();
        for (place, form) in FORMS.iter().enumerate() {
            node.turn_to(form);
            let port = 8090 + u16::try_from(place).unwrap();
            let name = format!("lost-{form}");
            let lost = node.publish(&name, &[mapping("tcp", port, 80), mapping_at(HOST[1], "udp", port, 80)]);
            lost.attachment.container.remove();
        }
        let unlisted = json!({ "cniVersion": "1.1.0", "name": "net", "type": "portmap" });
        let all = node.rules();
        host.plugin("portmap").config(unlisted).gc().succeeds().stdout_is("");
        assert_eq!(node.rules(), all);
        // One of a living container, but of an interface it has no more.
        gc(host, "net", &["kept"]).gc().succeeds().stdout_is("");
        assert_eq!(node.rules(), before);
        gc(host, "net", &["kept"]).gc().succeeds();
        for pod in [&kept, &other] {
            pod.portmap.check().succeeds();
        }
        gc(host, "net", &[]).gc().succeeds();
        kept.portmap.check().fails();
        other.portmap.check().succeeds();
        gc(host, "net2", &[]).gc().succeeds();
        other.portmap.check().fails();
    }
}
