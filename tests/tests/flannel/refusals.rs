//! Invalid configurations.

use ferrule_testkit::assert_same;
use serde_json::json;

use crate::flannel::{DUAL, call, config, write_subnet_env};

ferrule_testkit::test! {
    /// The error names the key, and nothing changes. DEL succeeds.
    fn invalid_keys_are_refused(host) {
        write_subnet_env(DUAL);
        let before = host.snapshot();
        for (key, value, code, text) in [
            ("subnetFile", json!(""), 7, "key \"subnetFile\" is empty"),
            ("dataDir", json!(""), 7, "key \"dataDir\" is empty"),
            ("subnetFile", json!(5), 6, "subnetFile"),
            ("dataDir", json!([]), 6, "dataDir"),
            ("dataDir", json!("/proc/version"), 5, "/proc/version"),
            ("delegate", json!([]), 6, "delegate"),
            ("delegate", json!({ "name": "x" }), 7, "must not have \"name\" field"),
            ("delegate", json!({ "ipam": null }), 7, "must not have \"ipam\" field"),
            ("delegate", json!({ "type": 5 }), 7, "\"type\" is not a string"),
            ("delegate", json!({ "type": null }), 7, "\"type\" is not a string"),
            ("delegate", json!({ "type": "flannel" }), 7, "flannel itself"),
            ("delegate", json!({ "type": "" }), 999, "no plugin name provided"),
            ("delegate", json!({ "type": "../bridge" }), 999, "invalid plugin name: ../bridge"),
            ("ipam", json!("x"), 6, "ipam"),
            ("ipam", json!({ "routes": {} }), 6, "ipam.routes"),
            ("ipam", json!({ "routes": [{ "dst": "10.0.0.0" }] }), 6, "invalid CIDR address: 10.0.0.0"),
            ("ipam", json!({ "routes": [{ "dst": "10.0.0.0/8", "gw": "x" }] }), 6, "invalid IP address: x"),
            ("runtimeConfig", json!(5), 6, "runtimeConfig"),
        ] {
            let mut config = config();
            config[key] = value;
            let call = call(host, "c1").config(&config);
            call.add().fails_with_code(code).mentions(text);
            call.del().succeeds();
            assert_same(&before, &host.snapshot());
        }
    }
}
