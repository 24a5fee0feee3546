//! ADD and DEL.

use ferrule_testkit::{assert_same, binaries_folder};
use serde_json::json;

use crate::vrf::node::Node;

ferrule_testkit::test! {
    /// ADD, CHECK and DEL in every version; GC and STATUS change nothing.
    fn every_version(host, version in ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]) needs [Vrf, Ipv6] {
        let node = Node::new(host);
        let mut result = node.result();
        result["cniVersion"] = version.into();
        for (ip, family) in result["ips"].as_array_mut().unwrap().iter_mut().zip(["4", "6"]) {
            ip["version"] = family.into();
        }
        let keys = json!({ "cniVersion": version, "prevResult": result });
        let call = node.call(&keys);
        assert_eq!(call.add().succeeds().json()["cniVersion"], version);
        if version == "0.3.1" {
            call.check().fails_with_code(1);
        } else {
            call.check().succeeds().stdout_is("");
        }
        // A repeated ADD succeeds.
        call.add().succeeds();
        if version == "1.1.0" {
            call.status().succeeds().stdout_is("");
            let mut config = node.config(&keys);
            config["cni.dev/valid-attachments"] = json!([]);
            call.clone().config(&config).gc().succeeds().stdout_is("");
            call.check().succeeds();
        }
        for _ in 0..2 {
            call.del().succeeds().stdout_is("");
            assert!(!node.container.has_link("red"));
            assert_eq!(node.master("net1"), None);
        }
    }
}

ferrule_testkit::test! {
    /// DEL succeeds and leaves no empty VRF, whatever else is missing.
    fn del_succeeds_whatever_is_gone(host) needs [Vrf, Ipv6] {
        let node = Node::new(host);
        let call = node.call(&json!({}));
        for damage in [
            "link set net1 nomaster", "address flush dev net1", "link set net1 down", "link set red down",
            "link delete red", "link set net1 up", "link delete net1",
        ] {
            if node.container.has_link("red") || damage != "link set net1 up" {
                call.add().succeeds();
            }
            node.container.ip(damage);
            for _ in 0..2 {
                call.del().succeeds();
                assert!(!node.container.has_link("red"), "after {damage}");
            }
            node.container.exec("ip link set net1 up");
            node.container.exec("ip address replace 10.0.1.5/24 dev net1");
        }
        call.clone().netns("").del().succeeds();
        call.clone().netns("/run/netns/never").del().succeeds();
        let without = node.config(&json!({ "prevResult": null }));
        call.clone().config(&without).del().succeeds();
        node.container.remove();
        call.del().succeeds();
        call.add().fails().mentions("no such file or directory");
        call.check().fails();
    }
}

ferrule_testkit::test! {
    /// A failed ADD is undone completely: the result cannot be written at the end.
    fn a_failed_add_is_undone(host) needs [Vrf, Ipv6] {
        let node = Node::new(host);
        node.container.ip("route add default via 10.0.1.1 metric 9");
        node.container.ip("route add 198.51.103.0/24 via 10.0.1.9 table 900");
        node.container.ip("-6 route add 2001:db8:5::/48 via fd00:1::1 metric 70 src fd00:1::5");
        // The first VRF of a namespace adds a routing rule (l3mdev) that stays.
        node.container.ip("link add first type vrf table 70");
        let before = node.container.network_snapshot();
        let executable = binaries_folder().join("vrf");
        let words = ["-c", "exec >/dev/full; exec \"$0\"", executable.to_str().unwrap()];
        let call = host.executable("/bin/sh", words).container("c1").netns(&node.container);
        call.ifname("net1").config(node.config(&json!({}))).add().fails();
        assert_same(&before, &node.container.network_snapshot());
        node.call(&json!({})).add().succeeds();
    }
}
