//! Who reaches a mapped port, and as whom.

use crate::portmap::node::{FAR, HOST, Node, OUTSIDE, at, mapping, mapping_at, seen};
use crate::portmap::{CASES, FORMS};

const PROTOCOLS: [&str; 2] = ["tcp", "udp"];

ferrule_testkit::test! {
    /// From outside a port of the host leads to the container, which sees who it is.
    fn outside_reaches_the_container_as_itself(host, case in CASES)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, case);
        let pod = node.publish("pod", &[mapping("tcp", 8080, 80), mapping("UDP", 8080, 80)]);
        for protocol in PROTOCOLS {
            for family in [0, 1] {
                let to = at(HOST[family], 8080);
                let peer = seen(protocol, pod.namespace(), 80, &node.outside, to);
                assert_eq!(peer, Some(at(OUTSIDE[family], 0).ip()), "{protocol} {to}\n{}", node.rules());
                // The port next to it is nobody's.
                assert_eq!(seen(protocol, pod.namespace(), 80, &node.outside, at(HOST[family], 8081)), None);
            }
        }
        pod.portmap.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// The host itself reaches the container, over each of its addresses and over localhost; of
    /// IPv6 the kernel does not let localhost out.
    fn the_host_reaches_the_container(host, case in CASES)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, case);
        let pod = node.publish("pod", &[mapping("tcp", 8080, 80), mapping("udp", 8080, 80)]);
        for protocol in PROTOCOLS {
            for address in ["127.0.0.1", HOST[0], HOST[1]] {
                let peer = seen(protocol, pod.namespace(), 80, host, at(address, 8080));
                assert!(peer.is_some(), "{protocol} {address}\n{}", node.rules());
                assert!(!peer.unwrap().is_loopback());
            }
        }
    }
}

ferrule_testkit::test! {
    /// A container reaches its own mapped port over the host, and so do its neighbours.
    fn containers_reach_the_port_over_the_host(host, case in CASES)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let mut node = Node::new(host, case);
        if case.starts_with("bridge") {
            // Answers to itself come back through the port they left by.
            node.network = node.network.clone().with(serde_json::json!({ "hairpinMode": true }));
        }
        let pod = node.publish("pod", &[mapping("tcp", 8080, 80), mapping("udp", 8080, 80)]);
        let other = node.pod("other");
        for protocol in PROTOCOLS {
            for (family, address) in HOST.iter().enumerate() {
                for client in [pod.namespace(), &other.container] {
                    let peer = seen(protocol, pod.namespace(), 80, client, at(address, 8080));
                    assert!(peer.is_some(), "{protocol} {address} {client:?}\n{}", node.rules());
                }
                // Spoken to directly, the container sees who it is: nothing is mapped.
                let direct = seen(protocol, pod.namespace(), 80, &other.container, at(pod.address(family), 80));
                assert_eq!(direct, Some(at(other.address(family), 0).ip()));
            }
        }
    }
}

ferrule_testkit::test! {
    /// A connection that the host forwards to the same port of somebody else is none of ours
    /// (CVE-2025-67499), wherever it comes from.
    fn forwarded_connections_pass(host, case in CASES)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, case);
        let mappings = [mapping("tcp", 8080, 80), mapping("udp", 8080, 80)];
        let pod = node.publish("pod", &mappings);
        for protocol in PROTOCOLS {
            for (family, address) in FAR.iter().enumerate() {
                let to = at(address, 8080);
                let from_outside = seen(protocol, &node.far, 8080, &node.outside, to);
                assert_eq!(from_outside, Some(at(OUTSIDE[family], 0).ip()));
                let from_pod = seen(protocol, &node.far, 8080, pod.namespace(), to);
                assert_eq!(from_pod, Some(at(pod.address(family), 0).ip()));
                let from_host = seen(protocol, &node.far, 8080, host, to);
                assert!(from_host.is_some());
            }
        }
    }
}

ferrule_testkit::test! {
    /// A mapping for one address of the host is not seen over another one.
    fn a_host_address_limits_the_mapping(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod = node.publish("pod", &[
            mapping_at("127.0.0.1", "tcp", 8001, 80),
            mapping_at(HOST[0], "tcp", 8002, 80),
            mapping_at(HOST[1], "tcp", 8003, 80),
            mapping_at("0.0.0.0", "tcp", 8004, 80),
            mapping_at("::", "tcp", 8005, 80),
            mapping_at("", "tcp", 8006, 80),
        ]);
        let reached = |from: &ferrule_testkit::Namespace, address: &str, port| {
            seen("tcp", pod.namespace(), 80, from, at(address, port)).is_some()
        };
        for (port, [localhost, near, near6, other, other6]) in [
            (8001, [true, false, false, false, false]),
            (8002, [false, true, false, false, false]),
            (8003, [false, false, true, false, false]),
            (8004, [true, true, false, true, false]),
            (8005, [false, false, true, false, true]),
            (8006, [true, true, true, true, true]),
        ] {
            assert_eq!(reached(host, "127.0.0.1", port), localhost, "localhost {port}");
            for (address, expected) in [(HOST[0], near), (HOST[1], near6)] {
                assert_eq!(reached(&node.outside, address, port), expected, "{address} {port}");
            }
            for (address, expected) in [("198.51.100.1", other), ("2001:db8:f::1", other6)] {
                assert_eq!(reached(&node.far, address, port), expected, "{address} {port}");
            }
        }
        pod.portmap.check().succeeds();
    }
}

ferrule_testkit::test! {
    /// Of two mappings of a port the one for a single address of the host goes first, whichever
    /// is written first.
    fn the_narrower_mapping_goes_first(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let pod = node.publish("pod", &[
            mapping("tcp", 8080, 80),
            mapping_at("198.51.100.1", "tcp", 8080, 81),
        ]);
        let reached = |from: &ferrule_testkit::Namespace, address: &str, port| {
            seen("tcp", pod.namespace(), port, from, at(address, 8080)).is_some()
        };
        assert!(reached(&node.outside, HOST[0], 80) && !reached(&node.outside, HOST[0], 81));
        assert!(reached(&node.far, "198.51.100.1", 81) && !reached(&node.far, "198.51.100.1", 80));
        pod.portmap.check().succeeds();
    }
}
