//! Invalid input.

use ferrule_testkit::assert_same;
use serde_json::json;

use crate::tuning::node::{config, container, state, tuning};

ferrule_testkit::test! {
    /// Invalid values are refused before anything changes, and the error names the key; DEL
    /// succeeds.
    fn invalid_values_are_refused(host) {
        let container = container(host, "c1");
        let before = (state(&container), host.snapshot());
        for (keys, code, told) in [
            (json!({ "mac": "x" }), 7, "mac"),
            (json!({ "mac": "01:00:5e:00:00:01" }), 7, "group address"),
            (json!({ "mac": "00:00:00:00:00:00" }), 7, "zero"),
            (json!({ "runtimeConfig": { "mac": "y" } }), 7, "runtimeConfig.mac"),
            (json!({ "args": { "cni": { "mac": "z" } } }), 7, "args.cni.mac"),
            (json!({ "mtu": -1 }), 7, "mtu"),
            (json!({ "mtu": 4_294_967_296_u64 }), 7, "mtu"),
            (json!({ "txQLen": -1 }), 7, "txQLen"),
            (json!({ "mtu": "1400" }), 6, "mtu"),
            (json!({ "mtu": 1.5 }), 6, "mtu"),
            (json!({ "promisc": "true" }), 6, "promisc"),
            (json!({ "allmulti": 1 }), 6, "allmulti"),
            (json!({ "sysctl": [] }), 6, "sysctl"),
            (json!({ "sysctl": { "net.core.somaxconn": 500 } }), 6, "sysctl.net.core.somaxconn"),
            (json!({ "args": { "cni": { "sysctl": "x" } } }), 6, "args.cni.sysctl"),
            (json!({ "dataDir": 1 }), 6, "dataDir"),
        ] {
            let call = tuning(host, "c1", &keys);
            for outcome in [call.add(), call.check(), call.status()] {
                outcome.fails_with_code(code).mentions(told);
            }
            call.del().succeeds();
        }
        let call = tuning(host, "c1", &json!({ "mtu": 1400 }));
        for args in ["MAC", "MAC=1=2", "MAC=x;", "OTHER=1"] {
            call.clone().args(args).add().fails_with_code(4).mentions("CNI_ARGS");
            call.clone().args(args).del().succeeds();
        }
        call.clone().args("MAC=x").add().fails_with_code(7).mentions("CNI_ARGS MAC");
        call.clone().ifname("a/b").add().fails_with_code(4);
        assert_eq!(state(&container), before.0);
        assert_same(&before.1, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// ADD and CHECK require a previous result.
    fn a_previous_result_is_needed(host) {
        let container = container(host, "c1");
        let before = state(&container);
        for keys in [json!({}), json!({ "mtu": 1400 })] {
            let call = tuning(host, "c1", &keys).config(config("1.0.0", &keys));
            call.add().fails_with_code(7).mentions("must be called as chained plugin");
            call.check().fails_with_code(7).mentions("prevResult");
            call.del().succeeds();
        }
        assert_eq!(state(&container), before);
    }
}

ferrule_testkit::test! {
    /// Interface and namespace must exist.
    fn a_missing_interface_is_an_error(host) {
        let container = host.netns("c1");
        let call = tuning(host, "c1", &json!({ "mtu": 1400 }));
        call.add().fails_with_code(999).mentions("eth0").mentions("not found");
        container.remove();
        call.add().fails_with_code(999).mentions("no such file or directory");
        call.del().succeeds();
        assert!(!std::fs::exists(crate::tuning::node::FOLDER).unwrap());
    }
}

ferrule_testkit::test! {
    /// The host's own namespace is refused.
    fn the_hosts_namespace_is_refused(host) {
        let call = tuning(host, "c1", &json!({ "sysctl": { "net.core.somaxconn": "5" } }));
        call.netns("/proc/self/ns/net").add().fails_with_code(8);
    }
}
