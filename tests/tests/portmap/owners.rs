//! Two containers and one port: the dead give way, the living are named.

use ferrule_testkit::Namespace;
use ferrule_tests::{Attachment, Network};
use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, unshare};
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
    fn the_living_are_named(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
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
    fn the_living_are_named_across_forms(host, forms in ["maps nftables", "nftables maps", "maps iptables", "nftables iptables"])
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
    /// The Go plugin does not tell whether a holder lives: ours goes first, and when it is gone the
    /// other one is there again. What the other one has at one address stays its own.
    fn ours_goes_before_one_of_the_go_plugin(host, form in ["iptables", "iptables-legacy"])
        needs [PeerPlugins, Iptables, Ip6tables, Ipv6, Tool("iptables-legacy")] {
        let mut node = Node::new(host, form);
        node.network = node.network.version("1.0.0");
        let prepare = |name: &str, mappings: &[Value]| node.prepare(name, mappings, &json!({}));
        let theirs = prepare("theirs", &[mapping("tcp", 8080, 80), mapping_at(HOST[0], "tcp", 8081, 80)]);
        let peer = node.peer_call().container("theirs").netns(&theirs.attachment.container).config(&theirs.config);
        peer.add().succeeds();
        let wide = prepare("wide", &[mapping("tcp", 8080, 80)]);
        let narrow = prepare("narrow", &[mapping("tcp", 8081, 80)]);
        let leads = |address: &str, port, pod: &Pod| {
            let to = at(address, port);
            assert!(seen("tcp", pod.namespace(), 80, &node.outside, to).is_some(), "{to} {}", node.rules());
        };
        for _ in 0..2 {
            wide.portmap.add().succeeds();
            narrow.portmap.add().succeeds();
            leads(HOST[0], 8080, &wide);
            leads(HOST[0], 8081, &theirs);
            leads("198.51.100.1", 8081, &narrow);
        }
        wide.portmap.del().succeeds();
        leads(HOST[0], 8080, &theirs);
        theirs.portmap.check().succeeds();
        peer.del().succeeds();
        leads(HOST[0], 8081, &narrow);
        narrow.portmap.check().succeeds();
        narrow.portmap.del().succeeds();
    }
}

ferrule_testkit::test! {
    /// Ports of one address and of all, of containers that have both, in either order of ADD.
    fn one_address_goes_before_all(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let [a, b] = [("a", [8080, 8081]), ("b", [8081, 8080])].map(|(name, [all, one])| {
            node.prepare(name, &[mapping("tcp", all, 80), mapping_at(HOST[0], "tcp", one, 80)], &json!({}))
        });
        let leads = |address: &str, port, pod: &Pod| {
            let to = at(address, port);
            assert!(seen("tcp", pod.namespace(), 80, &node.outside, to).is_some(), "{to} {}", node.rules());
        };
        for _ in 0..2 {
            for pod in [&a, &b] {
                pod.portmap.add().succeeds();
            }
            leads("198.51.100.1", 8080, &a);
            leads("198.51.100.1", 8081, &b);
            leads(HOST[0], 8081, &a);
            leads(HOST[0], 8080, &b);
            a.portmap.check().succeeds();
            b.portmap.check().succeeds();
        }
        a.portmap.del().succeeds();
        leads(HOST[0], 8080, &b);
        leads(HOST[0], 8081, &b);
        b.portmap.del().succeeds();
    }
}

/// Does something where the container's namespace is not mounted, as for processes outside the
/// mount namespace of a container runtime that hides its mounts.
fn where_hidden<T: Send>(pod: &Pod, work: impl FnOnce() -> T + Send) -> T {
    let path = pod.namespace().path();
    let hidden = || {
        unshare(CloneFlags::CLONE_NEWNS).expect("make a mount namespace as root");
        umount2(path, MntFlags::MNT_DETACH).expect("unmount a namespace");
        work()
    };
    std::thread::scope(|scope| scope.spawn(hidden).join().expect("no panic"))
}

ferrule_testkit::test! {
    /// A living container keeps its port where its namespace cannot be seen. Once it is dead that
    /// is known even there if the host had an end of its pair.
    fn the_hidden_are_alive(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        for has_pair in [true, false] {
            let name = |what: &str| format!("{what}-{has_pair}");
            let with_traces = |attachment: Attachment| {
                let mut attachment = attachment;
                if !has_pair {
                    let inside = attachment.result["interfaces"][2].take();
                    attachment.result["interfaces"] = json!([inside]);
                    for ip in attachment.result["ips"].as_array_mut().unwrap() {
                        ip["interface"] = 0.into();
                    }
                }
                node.on(attachment, &[mapping("tcp", 8080, 80)], &json!({}))
            };
            let holder = with_traces(node.pod(&name("holder")));
            let other = with_traces(node.pod(&name("other")));
            holder.portmap.add().succeeds();
            let before = node.rules();
            let refused = || {
                let outcome = where_hidden(&holder, || other.portmap.add());
                outcome.fails_with_code(11).mentions(&name("holder"));
            };
            refused();
            assert_eq!(node.rules(), before);
            if has_pair {
                where_hidden(&holder, || {
                    holder.attachment.call_with_result().del().succeeds();
                    other.portmap.add().succeeds();
                });
            }
            holder.attachment.container.remove();
            other.portmap.add().succeeds();
            other.portmap.check().succeeds();
            holder.portmap.del().succeeds();
            other.portmap.del().succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// A container may have the same mappings by two networks. The first has the port, and the
    /// second one when the first is gone; where there is room for one only, after its next ADD.
    fn one_container_has_its_port_by_two_networks(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let mappings = [mapping("tcp", 8080, 80), mapping_at(HOST[0], "tcp", 8081, 80)];
        let first = node.publish("pod", &mappings);
        let ipam = json!({ "type": "host-local", "ranges": [[{ "subnet": "10.1.3.0/24" }]] });
        let network = Network::bridge().with(json!({ "name": "net2", "bridge": "cni1", "ipam": ipam }));
        let call = network.call(host, "pod").ifname("eth1");
        let result = call.add().succeeds().json();
        let attachment = Attachment {
            container: first.attachment.container.clone(), call, config: network.config, result,
        };
        let second = node.on(attachment, &mappings, &json!({ "name": "net2" }));
        let second_portmap = second.portmap.clone().ifname("eth1");
        let is_led_to = |pod: &Pod, port: u16| {
            let server = pod.namespace().listen_tcp(&format!("{}:80", pod.address(0)));
            server.reached_from(host, at(HOST[0], port)).is_ok()
        };
        let goes_to = |pod: &Pod| [8080, 8081].iter().all(|port| is_led_to(pod, *port));
        for _ in 0..2 {
            second_portmap.add().succeeds();
            assert!(goes_to(&first), "{}", node.rules());
            first.portmap.check().succeeds();
            second_portmap.check().succeeds();
        }
        second_portmap.del().succeeds();
        assert!(goes_to(&first), "{}", node.rules());
        first.portmap.check().succeeds();
        second_portmap.add().succeeds();
        first.portmap.del().succeeds();
        if form == "maps" {
            second_portmap.check().fails().mentions("element for tcp");
            second_portmap.add().succeeds();
        }
        second_portmap.check().succeeds();
        assert!(goes_to(&second), "{}", node.rules());
        second_portmap.del().succeeds();
        let rules = node.rules();
        assert!(!first.is_mentioned_in(&rules) && !rules.contains(second.address(0)), "{rules}");
    }
}
