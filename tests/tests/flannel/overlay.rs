//! Two nodes with a VXLAN between them, as flanneld creates it.

use std::fs;

use ferrule_testkit::{Host, Namespace, assert_same, binaries_folder};
use serde_json::{Value, json};

/// A node's number: its subnet is `10.1.<number>.0/24`, its address `192.0.2.<number>`.
struct Node<'h> {
    namespace: &'h Namespace,
    number: u8,
}

impl Node<'_> {
    /// Creates what flanneld does: a VXLAN, a route to the other node's subnet, and the subnet
    /// file.
    fn start_flanneld(&self, other: &Self) {
        let (ours, theirs) = (self.number, other.number);
        let node = self.namespace;
        node.ip(format!(
            "link add flannel.1 address 02:00:00:00:00:0{ours} type vxlan id 1 \
                         dstport 8472 local 192.0.2.{ours} nolearning"
        ));
        node.ip(format!("address add 10.1.{ours}.0/32 dev flannel.1"));
        node.ip("link set flannel.1 up");
        let mac = format!("02:00:00:00:00:0{theirs}");
        node.ip(format!(
            "neighbour add 10.1.{theirs}.0 lladdr {mac} dev flannel.1"
        ));
        node.tool(
            "bridge",
            format!("fdb append {mac} dev flannel.1 dst 192.0.2.{theirs}"),
        );
        node.ip(format!(
            "route add 10.1.{theirs}.0/24 via 10.1.{theirs}.0 dev flannel.1 onlink"
        ));
        let text = format!(
            "FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.{ours}.1/24\n\
                            FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
        );
        fs::write(format!("/run/subnet{ours}.env"), text).unwrap();
    }

    fn config(&self) -> Value {
        let number = self.number;
        json!({
            "cniVersion": "1.1.0", "name": format!("net{number}"), "type": "flannel",
            "subnetFile": format!("/run/subnet{number}.env"),
            "dataDir": format!("/var/lib/cni/flannel{number}"),
        })
    }

    /// Runs the plugin on this node, for the container with the node's number.
    fn run(&self, verb: &str) {
        let folder = binaries_folder().display().to_string();
        let container = format!("c{}", self.number);
        let variables = [
            format!("CNI_COMMAND={verb}"),
            format!("CNI_CONTAINERID={container}"),
            format!("CNI_NETNS=/run/netns/{container}"),
            "CNI_IFNAME=eth0".to_owned(),
            format!("CNI_PATH={folder}"),
            format!("{folder}/flannel"),
        ];
        let mut words = vec!["env".to_owned()];
        words.extend(variables);
        let outcome = self
            .namespace
            .exec_with_input(words, &self.config().to_string());
        outcome.succeeds();
    }
}

/// The network state of both nodes, without what a bridge leaves for the next container.
fn networks(host: &Host, other: &Namespace) -> [ferrule_testkit::Snapshot; 2] {
    let without_bridge =
        |snapshot: ferrule_testkit::Snapshot| snapshot.ignoring(&["cni0", "/var/lib/cni"]);
    [
        without_bridge(host.snapshot()),
        without_bridge(other.network_snapshot()),
    ]
}

ferrule_testkit::test! {
    /// Containers of two nodes reach each other with packets of the full MTU, and DEL leaves
    /// nothing.
    fn containers_reach_each_other(host) needs [Vxlan] {
        let far = host.netns("node2");
        host.ip("link add wire1 type veth peer name wire2 netns node2");
        let nodes = [Node { namespace: host, number: 1 }, Node { namespace: &far, number: 2 }];
        for node in &nodes {
            let number = node.number;
            node.namespace.ip(format!("address add 192.0.2.{number}/24 dev wire{number}"));
            node.namespace.ip(format!("link set wire{number} up"));
            node.namespace.exec("sysctl -q -w net.ipv4.ip_forward=1").succeeds();
        }
        nodes[0].start_flanneld(&nodes[1]);
        nodes[1].start_flanneld(&nodes[0]);
        let containers = ["c1", "c2"].map(|name| host.netns(name));
        let before = networks(host, &far);
        for node in &nodes {
            node.run("ADD");
        }
        assert_eq!(containers[0].link("eth0")["mtu"], 1450);
        assert!(containers[0].ping("10.1.2.2") && containers[1].ping("10.1.1.2"));
        // Packets of flanneld's MTU fit into the MTU of the wire.
        containers[0].exec("ping -c 1 -W 5 -M do -s 1422 10.1.2.2").succeeds();
        for node in &nodes {
            node.run("DEL");
        }
        assert!(!containers[0].has_link("eth0") && !containers[1].has_link("eth0"));
        for number in 1..=2 {
            assert_eq!(crate::flannel::names(&format!("/var/lib/cni/flannel{number}")), [""; 0]);
            assert_eq!(crate::flannel::names(&format!("/var/lib/cni/networks/net{number}")), [""; 0]);
        }
        let after = networks(host, &far);
        for (before, after) in before.iter().zip(&after) {
            assert_same(before, after);
        }
    }
}
