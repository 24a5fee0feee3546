//! Two containers and one port: the dead give way, the living are named.

use ferrule_testkit::Namespace;
use serde_json::{Value, json};

use crate::portmap::FORMS;
use crate::portmap::node::{HOST, Node, Pod, at, mapping, mapping_at, seen};

/// Who answers at the host's port 8080: the first of these containers that does.
fn answerer(from: &Namespace, address: &str, pods: &[&Pod]) -> Option<usize> {
    let to = at(address, 8080);
    let answers = |pod: &Pod| seen("tcp", pod.namespace(), 80, from, to).is_some();
    pods.iter().position(|pod| answers(pod))
}

/// Mappings of the same port that overlap: who had it, who gets it.
fn overlaps() -> [(Value, Value); 4] {
    let all = || mapping("tcp", 8080, 80);
    let one = || mapping_at(HOST[0], "tcp", 8080, 80);
    [
        (all(), all()),
        (one(), one()),
        (one(), all()),
        (all(), one()),
    ]
}

ferrule_testkit::test! {
    /// A mapping whose container is gone catches nothing that is the new container's, and the late
    /// DEL of the former takes nothing from the latter.
    fn the_dead_give_way(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        for (place, (theirs, ours)) in overlaps().into_iter().enumerate() {
            let dead = node.publish(&format!("dead{place}"), &[theirs]);
            dead.attachment.container.remove();
            let alive = node.publish(&format!("alive{place}"), &[ours]);
            let works = || {
                assert_eq!(answerer(&node.outside, HOST[0], &[&alive]), Some(0), "{}", node.rules());
                assert_eq!(answerer(host, HOST[0], &[&alive]), Some(0));
                alive.portmap.check().succeeds();
            };
            works();
            dead.portmap.del().succeeds();
            works();
            alive.portmap.del().succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// The same when the new container has the dead one's addresses as well.
    fn addresses_are_reused(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let mut node = Node::new(host, form);
        let network = node.network.clone();
        node.network = network.with_addresses(&["10.1.2.5/24", "fd00:1:2::5/64"]).with(json!({ "isGateway": false }));
        host.ip("link add cni0 type bridge");
        host.ip("link set cni0 up");
        host.ip("address add 10.1.2.1/24 dev cni0");
        let dead = node.publish("dead", &[mapping("tcp", 8080, 80)]);
        dead.attachment.container.remove();
        let alive = node.publish("alive", &[mapping("tcp", 8080, 80)]);
        let works = || {
            let peer = seen("tcp", alive.namespace(), 80, host, at("127.0.0.1", 8080));
            assert!(peer.is_some(), "{}", node.rules());
            alive.portmap.check().succeeds();
        };
        works();
        dead.portmap.del().succeeds();
        works();
        dead.call_with(&json!({ "runtimeConfig": null, "prevResult": null })).del().succeeds();
        works();
    }
}

ferrule_testkit::test! {
    /// The port of a living container is refused, naming it, and nothing changes. Another port,
    /// or the same one of another address, is fine.
    fn the_living_are_named(host, form in ["nftables", "maps"])
        needs [Iptables, Ip6tables, Nftables, Ipv6] {
        let node = Node::new(host, form);
        let holder = node.publish("holder-of-the-port", &[
            mapping("tcp", 8080, 80), mapping_at(HOST[0], "tcp", 8081, 80),
        ]);
        let other = node.prepare("other", &[mapping("tcp", 9000, 80), mapping("tcp", 8080, 80)], &json!({}));
        let before = node.rules();
        let error = other.portmap.add().fails_with_code(11).error();
        assert!(error.msg.contains("holder-of-the-port") && error.msg.contains("tcp port 8080"), "{error:?}");
        assert_eq!(node.rules(), before);
        let fine = json!({ "portMappings": [
            mapping("udp", 8080, 80), mapping("tcp", 8081, 80), mapping_at(HOST[0], "tcp", 8082, 80),
        ] });
        let fine = other.call_with(&json!({ "runtimeConfig": fine }));
        fine.add().succeeds();
        for (address, pod) in [(HOST[0], &holder), ("198.51.100.1", &other)] {
            let to = at(address, 8081);
            assert!(seen("tcp", pod.namespace(), 80, host, to).is_some(), "{address}");
        }
        fine.check().succeeds();
        fine.del().succeeds();
        assert_eq!(node.rules(), before);
        holder.portmap.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// With the other form in use for the holder the port is refused all the same.
    fn the_living_are_named_across_forms(host, forms in ["maps nftables", "nftables maps", "maps iptables"])
        needs [Iptables, Ip6tables, Nftables, Ipv6] {
        let (first, second) = forms.split_once(' ').unwrap();
        let mut node = Node::new(host, first);
        let holder = node.publish("holder", &[mapping("tcp", 8080, 80)]);
        node.turn_to(second);
        let other = node.prepare("other", &[mapping("tcp", 8080, 80)], &json!({}));
        other.portmap.add().fails_with_code(11).mentions("holder");
        holder.portmap.check().succeeds();
        holder.attachment.container.remove();
        other.portmap.add().succeeds();
        assert!(seen("tcp", other.namespace(), 80, &node.outside, at(HOST[0], 8080)).is_some(), "{}", node.rules());
        holder.portmap.del().succeeds();
        other.portmap.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// iptables does not tell whether a holder lives: the newest goes first, and when it is gone
    /// the other one is there again.
    fn the_newest_goes_first(host, form in ["iptables", "iptables-legacy"])
        needs [Iptables, Ip6tables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pods = ["a", "b"].map(|name| node.prepare(name, &[mapping("tcp", 8080, 80)], &json!({})));
        let [a, b] = &pods;
        let who = || answerer(&node.outside, HOST[0], &[a, b]);
        for (first, second) in [(0, 1), (1, 0)] {
            pods[first].portmap.add().succeeds();
            pods[second].portmap.add().succeeds();
            assert_eq!(who(), Some(second));
            pods[second].portmap.del().succeeds();
            assert_eq!(who(), Some(first));
            pods[second].portmap.add().succeeds();
            pods[first].portmap.del().succeeds();
            assert_eq!(who(), Some(second));
            pods[second].portmap.del().succeeds();
            assert_eq!(who(), None);
        }
    }
}
