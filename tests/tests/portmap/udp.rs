//! UDP flows that began before a port was mapped, or go on after it was mapped otherwise.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use ferrule_testkit::{Host, Namespace};
use serde_json::json;

use crate::portmap::FORMS;
use crate::portmap::node::{FAR, HOST, Node, at, mapping, mapping_at};

/// A client that never changes its port, so that all it sends to one place is one flow.
struct Client(UdpSocket);

impl Client {
    fn new(namespace: &Namespace, from: &str) -> Self {
        let socket = namespace
            .inside(|| UdpSocket::bind(at(from, 4000)))
            .unwrap();
        let patience = Some(Duration::from_millis(500));
        socket.set_read_timeout(patience).unwrap();
        Self(socket)
    }

    /// Whether a server gets what is sent to an address.
    fn reaches(&self, server: &Server, to: SocketAddr) -> bool {
        // Nobody is to be taken for an answer of the time before.
        self.send(to);
        server.hears()
    }

    fn send(&self, to: SocketAddr) {
        // What the host refused before is told at the next occasion.
        let _ = self.0.send_to(b"x", to);
        if self.0.take_error().unwrap().is_some() {
            let _ = self.0.send_to(b"x", to);
        }
    }
}

/// Takes the mappings away behind the plugin's back, as a DEL does that is killed before it comes to
/// the flows.
fn forget_rules(host: &Host, form: &str) {
    for (ip, tool) in [("ip", "iptables"), ("ip6", "ip6tables")] {
        match form {
            "nftables" => host.tool("nft", format!("flush chain {ip} cni_hostport hostports")),
            "maps" => host.tool("nft", format!("flush map {ip} cni_hostport_map hostports")),
            _ => {
                let tool = form.replace("iptables", tool);
                host.tool(&tool, "-t nat -F CNI-HOSTPORT-DNAT")
            }
        };
    }
}

/// How many flows the host knows from a [`Client`] to port 5300 of an address.
fn flows(host: &Host, to: &str) -> usize {
    let all = host
        .exec("cat /proc/thread-self/net/nf_conntrack")
        .succeeds()
        .stdout;
    let to = format!("dst={to} sport=4000 dport=5300");
    all.lines().filter(|line| line.contains(&to)).count()
}

/// A server that only listens.
struct Server(UdpSocket);

impl Server {
    fn new(namespace: &Namespace, to: &SocketAddr, port: u16) -> Self {
        let any = if to.is_ipv4() { "0.0.0.0" } else { "::" };
        let socket = namespace.inside(|| UdpSocket::bind(at(any, port))).unwrap();
        let patience = Some(Duration::from_millis(500));
        socket.set_read_timeout(patience).unwrap();
        Self(socket)
    }

    fn hears(&self) -> bool {
        self.0.recv(&mut [0; 8]).is_ok()
    }
}

ferrule_testkit::test! {
    /// A client that was not answered before ADD is after it, without a pause; after DEL and a new
    /// ADD it reaches the next container.
    fn flows_follow_the_mapping(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let first = node.prepare("first", &[mapping("udp", 5300, 53)], &json!({}));
        let second = node.prepare("second", &[mapping("udp", 5300, 53)], &json!({}));
        for (family, from) in crate::portmap::node::OUTSIDE.iter().enumerate() {
            let to = at(HOST[family], 5300);
            let client = Client::new(&node.outside, from);
            let servers = [&first, &second].map(|pod| Server::new(pod.namespace(), &to, 53));
            // Something else has the port: the flow is known, and goes to the host.
            let squatter = Server::new(host, &to, 5300);
            assert!(client.reaches(&squatter, to));
            first.portmap.add().succeeds();
            assert!(client.reaches(&servers[0], to), "{}", node.rules());
            first.portmap.del().succeeds();
            assert!(client.reaches(&squatter, to));
            second.portmap.add().succeeds();
            assert!(client.reaches(&servers[1], to));
            second.portmap.del().succeeds();
            // Even with nothing to tell where the flow led, or the mapping gone already.
            first.portmap.add().succeeds();
            assert!(client.reaches(&servers[0], to));
            first.call_with(&json!({ "prevResult": null })).del().succeeds();
            assert!(client.reaches(&squatter, to));
            first.portmap.add().succeeds();
            assert!(client.reaches(&servers[0], to));
            forget_rules(host, form);
            assert!(client.reaches(&servers[0], to), "the flow goes on without rules");
            first.call_with(&json!({ "prevResult": null })).del().succeeds();
            assert!(client.reaches(&squatter, to));
        }
    }
}

ferrule_testkit::test! {
    /// Flows that are not the mapping's stay: to the same port elsewhere, of another mapping of
    /// that port, and straight to the container.
    fn other_flows_stay(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let elsewhere = at(FAR[0], 5300);
        let client = Client::new(&node.outside, "192.0.2.9");
        let far = Server::new(&node.far, &elsewhere, 5300);
        let other = node.publish("other", &[mapping_at("198.51.100.1", "udp", 5300, 53)]);
        let other_server = Server::new(other.namespace(), &elsewhere, 53);
        let pod = node.prepare("pod", &[mapping_at("192.0.2.1", "udp", 5300, 5300)], &json!({}));
        let pod_server = Server::new(pod.namespace(), &elsewhere, 5300);
        let direct = at(pod.address(0), 5300);
        assert!(client.reaches(&far, elsewhere));
        assert!(client.reaches(&other_server, at("198.51.100.1", 5300)));
        assert!(client.reaches(&pod_server, direct));
        let flows = |to: &str| flows(host, to);
        let stay = || {
            assert_eq!(flows(FAR[0]), 1);
            assert_eq!(flows("198.51.100.1"), 1);
            assert_eq!(flows(pod.address(0)), 1);
        };
        stay();
        pod.portmap.add().succeeds();
        stay();
        let mapped = at("192.0.2.1", 5300);
        assert!(client.reaches(&pod_server, mapped), "{}", node.rules());
        assert_eq!(flows("192.0.2.1"), 1);
        pod.portmap.del().succeeds();
        assert_eq!(flows("192.0.2.1"), 0);
        stay();
        other.portmap.del().succeeds();
        assert_eq!(flows("198.51.100.1"), 0);
    }
}

ferrule_testkit::test! {
    /// DEL of a mapping of all addresses ends the flows that it led, and no other ones to that
    /// port: those of another container that has it at one address, and those that pass by.
    fn flows_of_others_to_the_port_stay(host, form in FORMS)
        needs [Iptables, Ip6tables, Nftables, Ipv6, Tool("iptables-legacy")] {
        let node = Node::new(host, form);
        let elsewhere = at(FAR[0], 5300);
        let client = Client::new(&node.outside, "192.0.2.9");
        let far = Server::new(&node.far, &elsewhere, 5300);
        let pod = node.publish("pod", &[mapping("udp", 5300, 53)]);
        let pod_server = Server::new(pod.namespace(), &elsewhere, 53);
        let other = node.publish("other", &[mapping_at("198.51.100.1", "udp", 5300, 53)]);
        let other_server = Server::new(other.namespace(), &elsewhere, 53);
        for keys in [json!({}), json!({ "prevResult": null })] {
            pod.portmap.add().succeeds();
            other.portmap.add().succeeds();
            for (server, to) in [(&far, FAR[0]), (&other_server, "198.51.100.1"), (&pod_server, HOST[0])] {
                assert!(client.reaches(server, at(to, 5300)), "{to}: {}", node.rules());
                assert_eq!(flows(host, to), 1, "{to}");
            }
            pod.call_with(&keys).del().succeeds();
            assert_eq!([HOST[0], FAR[0], "198.51.100.1"].map(|to| flows(host, to)), [0, 1, 1], "{keys}");
        }
    }
}
