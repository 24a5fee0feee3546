//! Refused configurations, and the lock.

use ferrule_testkit::assert_same;
use serde_json::{Value, json};

use crate::sbr::node::Node;

ferrule_testkit::test! {
    /// Invalid configurations change nothing, and the error names what is wrong.
    fn invalid_configurations_are_refused(host) needs [Ipv6] {
        let node = Node::new(host);
        let before = node.container.network_snapshot();
        let no_ips = node.result_with(json!([]));
        let cases: &[(Value, u64, &str)] = &[
            (json!({ "table": 0 }), 7, "table 0"),
            (json!({ "table": -5 }), 7, "table -5"),
            (json!({ "table": "100" }), 6, "table"),
            (json!({ "gateways": ["10.0.1.1", "10.0.1.2"] }), 7, "multiple IPv4 addresses"),
            (json!({ "gateways": ["fd00:1::1", "fd00:1::2"] }), 7, "multiple IPv6 addresses"),
            (json!({ "gateways": ["10.0.1.1", "fd00:1::1", "10.0.1.3"] }), 7, "multiple IPv4"),
            (json!({ "gateways": ["10.0.1"] }), 7, "10.0.1"),
            (json!({ "gateways": "10.0.1.1" }), 6, "gateways"),
            (json!({ "addSourceHints": "yes" }), 6, "addSourceHints"),
            (json!({ "prevResult": null }), 7, "must be called as chained plugin"),
            (json!({ "prevResult": no_ips }), 7, "no IP addresses"),
            (json!({ "cniVersion": "9.9.9" }), 1, "9.9.9"),
        ];
        for (keys, code, text) in cases {
            let call = node.call(keys);
            call.add().fails_with_code(*code).mentions(text);
            if *code != 1 {
                call.del().succeeds();
            }
        }
        node.call(&json!({})).ifname("none").add().succeeds();
        assert_same(&before, &node.container.network_snapshot());
        // The interface is in the previous result, but does not exist.
        let mut result = node.result();
        result["interfaces"][1]["name"] = "none".into();
        let call = node.call(&json!({ "prevResult": result })).ifname("none");
        call.add().fails().mentions("\"none\" not found");
        assert_same(&before, &node.container.network_snapshot());
        node.call(&json!({ "table": 0 })).status().fails_with_code(7);
        // A previous result without a version has that of the configuration.
        let mut result = node.result();
        result.as_object_mut().unwrap().remove("cniVersion");
        node.call(&json!({ "prevResult": result })).add().succeeds();
    }
}

ferrule_testkit::test! {
    /// The lock of the Go plugin, which every process can take, delays ADD for two seconds; its
    /// holder is named. CHECK and DEL do not wait.
    fn the_wait_for_the_go_plugins_lock_ends(host) needs [Ipv6, Tool("flock"), Tool("setpriv")] {
        let node = Node::new(host);
        let path = node.container.path().display().to_string();
        let holder = format!("setpriv --reuid 65534 --clear-groups flock {path} sleep 600");
        let held = host.start(holder);
        while host.exec(["flock", "--nonblock", &path, "true"]).status.success() {}
        let outcome = node.call(&json!({})).add().succeeds();
        assert!(outcome.stderr.contains("waited 2 s for the lock"), "{outcome}");
        assert!(outcome.stderr.contains("held by"), "{outcome}");
        node.call(&json!({})).check().succeeds();
        node.call(&json!({})).del().succeeds();
        assert_eq!(node.rules(), Vec::<String>::new());
        drop(held);
    }
}
