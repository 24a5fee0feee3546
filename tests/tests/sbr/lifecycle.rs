//! ADD and DEL.

use ferrule_testkit::{assert_same, binaries_folder};
use ferrule_tests::{with_keys, with_prev_result};
use serde_json::{Value, json};

use crate::sbr::node::Node;

ferrule_testkit::test! {
    /// ADD, CHECK and DEL in every version; DEL can be repeated.
    fn every_version(host, version in VERSIONS) needs [Ipv6] {
        let node = Node::new(host);
        let old = version.starts_with("0.1") || version.starts_with("0.2");
        let result = if old {
            json!({ "cniVersion": version,
                    "ip4": { "ip": "10.0.1.5/24", "gateway": "10.0.1.1" },
                    "ip6": { "ip": "fd00:1::5/64", "gateway": "fd00:1::1" } })
        } else {
            let mut result = node.result_with(json!([
                { "version": "4", "address": "10.0.1.5/24", "gateway": "10.0.1.1", "interface": 1 },
                { "version": "6", "address": "fd00:1::5/64", "gateway": "fd00:1::1", "interface": 1 },
            ]));
            result["cniVersion"] = json!(version);
            result
        };
        let keys = json!({ "cniVersion": version, "prevResult": result });
        let answer = node.call(&keys).add().succeeds().json();
        assert_eq!(answer["cniVersion"], version);
        assert!(node.is_separated());
        if ["0.4.0", "1.0.0", "1.1.0"].contains(&version) {
            node.call(&keys).check().succeeds().stdout_is("");
        } else {
            node.call(&keys).check().fails_with_code(1);
        }
        for _ in 0..2 {
            node.call(&keys).del().succeeds().stdout_is("");
            assert_eq!(node.rules(), Vec::<String>::new());
        }
        if version == "1.1.0" {
            node.call(&keys).status().succeeds().stdout_is("");
            let before = node.container.network_snapshot();
            let gc = Node::config(&json!({ "cni.dev/valid-attachments": [] }));
            node.call(&keys).config(&gc).gc().succeeds().stdout_is("");
            assert_same(&before, &node.container.network_snapshot());
        }
    }
}

ferrule_testkit::test! {
    /// DEL removes the rules of the interface's addresses and of those in the previous result,
    /// whatever else is missing, and no other rule.
    fn del_removes_the_rules_whatever_is_gone(host, damage in [
        "", "route flush table 100", "address flush dev net1", "link set net1 down",
        "link delete net1", "link set net1 name other",
    ]) needs [Ipv6] {
        let node = Node::new(host);
        node.container.ip("rule add from 10.0.0.5 lookup 900");
        node.container.ip("rule add from 10.0.1.0/24 lookup 901");
        node.container.ip("rule add from 10.0.1.5 blackhole priority 40000");
        let before = node.rules();
        node.call(&json!({})).add().succeeds();
        if !damage.is_empty() {
            node.container.ip(damage);
        }
        for _ in 0..2 {
            node.call(&json!({})).del().succeeds().stdout_is("");
            assert_eq!(node.rules(), before);
        }
    }
}

ferrule_testkit::test! {
    /// Without a previous result DEL uses the interface's addresses. Without a namespace there is
    /// nothing to do.
    fn del_needs_neither_result_nor_namespace(host) needs [Ipv6] {
        let node = Node::new(host);
        node.call(&json!({})).add().succeeds();
        node.call_without_result().del().succeeds();
        assert_eq!(node.rules(), Vec::<String>::new());
        let call = node.call(&json!({}));
        node.call_without_result().netns("").del().succeeds();
        call.clone().netns("/run/netns/never").del().succeeds();
        assert!(!std::path::Path::new("/run/netns/never").exists());
        std::fs::write("/run/plain", "").unwrap();
        call.clone().netns("/run/plain").del().succeeds();
        node.container.remove();
        call.del().succeeds();
        call.del().succeeds();
        call.add().fails().mentions("no such file or directory");
        call.check().fails();
        assert!(!node.container.path().exists());
    }
}

ferrule_testkit::test! {
    /// A failed ADD restores the container: if the kernel refuses a route, and if the result
    /// cannot be written at the end.
    fn a_failed_add_is_undone(host, keys in ["{}", r#"{ "addSourceHints": true }"#, r#"{ "table": 700 }"#]) needs [Ipv6] {
        let keys: Value = serde_json::from_str(keys).unwrap();
        let node = Node::new(host);
        node.container.ip("route add default via 10.0.1.1 metric 9");
        node.container.ip("-6 route add 2001:db8:5::/48 via fd00:1::1 metric 70");
        let before = node.container.network_snapshot();
        if keys.get("table").is_none() {
            let mut unreachable = keys.clone();
            unreachable["gateways"] = json!(["203.0.113.9"]);
            node.call(&unreachable).add().fails().mentions("203.0.113.9");
            assert_same(&before, &node.container.network_snapshot());
        }
        let executable = binaries_folder().join("sbr");
        let words = ["-c", "exec >/dev/full; exec \"$0\"", executable.to_str().unwrap()];
        let config = Node::config(&json!({}));
        let config = with_keys(with_prev_result(&config, &node.result()), &keys);
        let call = host.executable("/bin/sh", words).container("c1").netns(&node.container);
        call.ifname("net1").config(&config).add().fails();
        assert_same(&before, &node.container.network_snapshot());
        node.call(&keys).add().succeeds();
    }
}

ferrule_testkit::test! {
    /// An interface without addresses in the previous result is not changed.
    fn without_addresses_nothing_changes(host) needs [Ipv6] {
        let node = Node::new(host);
        let before = node.container.network_snapshot();
        let ips = json!([{ "address": "10.0.0.5/24", "interface": 2 }]);
        let call = node.call(&json!({ "prevResult": node.result_with(ips) }));
        let outcome = call.add().succeeds();
        assert!(outcome.stderr.contains("net1"), "{outcome}");
        call.check().succeeds();
        assert_same(&before, &node.container.network_snapshot());
    }
}
