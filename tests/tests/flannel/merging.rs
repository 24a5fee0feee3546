//! The delegate's configuration.

use std::fs;

use ferrule_tests::with_keys;
use serde_json::{Value, json};

use crate::flannel::{DATA_DIR, DUAL, call, config, scripted, stdin_of, verbs, write_subnet_env};

/// Prints a result for ADD and nothing for other verbs.
const WORKS: &str =
    r#"[ $CNI_COMMAND != ADD ] || echo '{"cniVersion":"1.1.0","dns":{"domain":"d"}}'"#;

const IPV4: &str = "FLANNEL_NETWORK=10.1.0.0/16,10.9.0.0/16\nFLANNEL_SUBNET=10.1.17.1/24\n\
                    FLANNEL_MTU=1472\nFLANNEL_IPMASQ=false\n";

ferrule_testkit::test! {
    /// The text is that of the Go plugin, on standard input and in the record: compact, with
    /// sorted keys.
    fn the_smallest_configuration(host) {
        write_subnet_env(DUAL);
        let call = call(host, "c1").cni_path(scripted(host, "bridge", WORKS));
        let call = call.config(json!({ "cniVersion": "1.1.0", "name": "cni-flannel", "type": "flannel" }));
        let result = call.clone().args("A=b").add().succeeds().json();
        assert_eq!(result, json!({ "cniVersion": "1.1.0", "dns": { "domain": "d" } }));
        assert_eq!(verbs(host), "ADD eth0 A=b");
        let text = r#"{"cniVersion":"1.1.0","ipMasq":false,"ipam":{"ranges":[[{"subnet":"10.1.17.0/24"}],[{"subnet":"fd01:0:0:17::/64"}]],"routes":[{"dst":"10.1.0.0/16"},{"dst":"fd01::/48"}],"type":"host-local"},"isGateway":true,"mtu":1450,"name":"cni-flannel","type":"bridge"}"#;
        assert_eq!(stdin_of(host, "ADD"), text);
        assert_eq!(fs::read_to_string(format!("{DATA_DIR}/c1")).unwrap(), text);
        // DEL passes it byte by byte, whatever the runtime passes by then.
        let mut other = config();
        other["name"] = json!("cni-flannel");
        other["delegate"] = json!({ "type": "other" });
        other["runtimeConfig"] = json!({ "mac": "x" });
        call.config(other).del().succeeds().stdout_is("");
        assert_eq!(stdin_of(host, "DEL"), text);
    }
}

ferrule_testkit::test! {
    /// Given keys stay, also null; those that flannel determines are replaced.
    fn keys_are_merged(host) {
        write_subnet_env(IPV4);
        let routes = json!([{ "dst": "10.1.0.0/16" }, { "dst": "10.9.0.0/16" }]);
        let ranges = json!([[{ "subnet": "10.1.17.0/24" }]]);
        let plain = json!({
            "cniVersion": "1.1.0", "name": "net", "type": "bridge", "ipMasq": true, "mtu": 1472,
            "isGateway": true, "ipam": { "type": "host-local", "ranges": ranges, "routes": routes },
        });
        let merged = |pointer: &str, value: Value| {
            let mut config = plain.clone();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            config.pointer_mut(parent).unwrap()[key] = value;
            config
        };
        let mut without_gateway = merged("/type", json!("ptp"));
        without_gateway.as_object_mut().unwrap().remove("isGateway");
        let kept = json!({ "type": "bridge", "mtu": null, "ipMasq": 0, "isGateway": false, "vlan": 5 });
        let mut with_kept = plain.clone();
        for (key, value) in kept.as_object().unwrap() {
            with_kept[key] = value.clone();
        }
        let given = json!([{ "dst": "10.2.3.4/8", "gw": "10.1.17.1", "mtu": 0, "priority": 7, "x": 1 }]);
        let all = json!([{ "dst": "10.2.3.4/8", "gw": "10.1.17.1", "priority": 7 },
                         { "dst": "10.1.0.0/16" }, { "dst": "10.9.0.0/16" }]);
        let ipam = json!({ "type": "custom", "subnet": "10.7.0.0/16", "ranges": [], "routes": given, "x": "<&>" });
        let with_ipam = json!({ "type": "custom", "subnet": "10.7.0.0/16", "ranges": ranges, "routes": all, "x": "<&>" });
        for (keys, expected) in [
            (json!({}), plain.clone()),
            (json!({ "delegate": {}, "ipam": {}, "runtimeConfig": null }), plain.clone()),
            (json!({ "delegate": null, "ipam": null, "subnetFile": null, "dataDir": null }), plain.clone()),
            (json!({ "delegate": { "type": "ptp" } }), without_gateway),
            (json!({ "delegate": kept }), with_kept),
            (json!({ "delegate": { "cniVersion": "0.3.1" } }), plain.clone()),
            (json!({ "delegate": { "x": [1, 2.5, 9_007_199_254_740_993_u64] } }),
                merged("/x", json!([1, 2.5, 9_007_199_254_740_993_u64]))),
            (json!({ "ipam": ipam }), merged("/ipam", with_ipam)),
            (json!({ "ipam": { "routes": null } }), plain.clone()),
            (json!({ "runtimeConfig": {} }), merged("/runtimeConfig", json!({}))),
            (json!({ "runtimeConfig": { "ips": ["10.1.17.9"] }, "delegate": { "runtimeConfig": { "a": 1 } } }),
                merged("/runtimeConfig", json!({ "ips": ["10.1.17.9"] }))),
            (json!({ "delegate": { "runtimeConfig": { "a": 1 } } }), merged("/runtimeConfig", json!({ "a": 1 }))),
            (json!({ "prevResult": { "cniVersion": "1.1.0" }, "capabilities": { "x": true }, "args": {}, "mtu": 5 }),
                plain.clone()),
        ] {
            let config = with_keys(config(), &keys);
            let path = scripted(host, expected["type"].as_str().unwrap(), WORKS);
            let call = call(host, "c1").cni_path(path).config(&config);
            call.add().succeeds();
            let found: Value = serde_json::from_str(&stdin_of(host, "ADD")).unwrap();
            assert_eq!(found, expected, "{config}");
            assert_eq!(stdin_of(host, "ADD").contains("\\u003c\\u0026\\u003e"), config["ipam"]["x"] == "<&>");
            call.del().succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// Without a version in the configuration, that of `delegate` is used, if any.
    fn without_a_version_that_of_the_delegate_is_used(host) {
        write_subnet_env(IPV4);
        let answer = r#"echo '{"cniVersion":"0.2.0","ip4":{"ip":"10.1.17.2/24"}}'"#;
        let path = scripted(host, "bridge", answer);
        for (delegate, version) in [(json!({}), Value::Null), (json!({ "cniVersion": "0.2.0" }), json!("0.2.0"))] {
            let config = json!({ "name": "net", "type": "flannel", "delegate": delegate });
            let call = call(host, "c1").cni_path(&path).config(config);
            let result = call.add().succeeds().json();
            assert_eq!(result["ip4"]["ip"], "10.1.17.2/24", "{result}");
            let found: Value = serde_json::from_str(&stdin_of(host, "ADD")).unwrap();
            assert_eq!(found["cniVersion"], version);
            call.del().succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// CHECK passes the recorded configuration, with the previous result and the version of the
    /// request.
    fn check_and_status_are_passed_on(host) {
        write_subnet_env(IPV4);
        let path = scripted(host, "bridge", WORKS);
        let with = |version: &str, keys: Value| {
            let config = with_keys(config(), &json!({ "cniVersion": version }));
            call(host, "c1").cni_path(&path).config(with_keys(config, &keys))
        };
        with("1.0.0", json!({ "runtimeConfig": { "a": 1 } })).add().succeeds();
        let mut written: Value = serde_json::from_str(&stdin_of(host, "ADD")).unwrap();
        let previous = json!({ "cniVersion": "1.1.0", "dns": { "domain": "d" } });
        with("1.1.0", json!({ "prevResult": previous })).check().succeeds().stdout_is("");
        written["cniVersion"] = json!("1.1.0");
        written["prevResult"] = previous;
        let found: Value = serde_json::from_str(&stdin_of(host, "CHECK")).unwrap();
        assert_eq!(found, written);
        with("1.1.0", json!({})).check().fails_with_code(7).mentions("required prevResult missing");
        with("1.1.0", json!({})).status().succeeds().stdout_is("");
        let found: Value = serde_json::from_str(&stdin_of(host, "STATUS")).unwrap();
        assert_eq!(found["ipam"]["ranges"], json!([[{ "subnet": "10.1.17.0/24" }]]));
        with("1.0.0", json!({})).del().succeeds();
        assert_eq!(verbs(host), "ADD eth0, CHECK eth0, STATUS, DEL eth0");
    }
}
