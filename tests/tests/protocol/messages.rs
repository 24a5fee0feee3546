//! Texts of errors.

use ferrule_testkit::{Call, Host};
use serde_json::{Value, json};

/// A call of a plugin about `eth0` of the container `c1`, with these keys in its configuration.
fn call(host: &Host, plugin: &str, keys: Value) -> Call {
    let mut config = json!({ "cniVersion": "1.1.0", "name": "net", "type": plugin });
    let Value::Object(keys) = keys else {
        panic!("keys are an object")
    };
    config.as_object_mut().unwrap().extend(keys);
    let call = host
        .plugin(plugin)
        .container("c1")
        .netns("/run/netns/c1")
        .ifname("eth0");
    call.config(&config)
}

ferrule_testkit::test! {
    /// `details` are empty if the message says everything: callers print both, and some compare
    /// the whole with the texts of the Go plugins.
    fn details_do_not_repeat_the_message(host) {
        host.netns("c1");
        let runtime = |mappings: Value| json!({ "runtimeConfig": { "portMappings": mappings } });
        let result = json!({ "cniVersion": "1.1.0", "ips": [{ "address": "10.1.2.3/24" }] });
        let portmap = |keys: Value| {
            let mut keys = keys;
            keys["prevResult"] = result.clone();
            keys
        };
        let web = json!([{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }]);
        for (verb, plugin, keys, text) in [
            ("ADD", "bridge", json!({ "hairpinMode": true, "promiscMode": true }),
             "cannot set hairpin mode and promiscuous mode at the same time"),
            ("ADD", "bridge", json!({ "disableContainerInterface": true, "ipam": { "type": "static" } }),
             "cannot use IPAM when disableContainerInterface flag is set"),
            ("CHECK", "bridge", json!({}), "required prevResult missing"),
            ("ADD", "ptp", json!({}), "no plugin name provided: the key ipam.type is missing"),
            ("ADD", "dummy", json!({}), "dummy interface requires an IPAM configuration"),
            ("ADD", "vlan", json!({}), "the key master is missing"),
            ("ADD", "host-device", json!({}),
             r#"specify either "device", "hwaddr", "kernelpath" or "pciBusID""#),
            ("ADD", "portmap", runtime(web.clone()), "must be called as chained plugin"),
            ("ADD", "portmap", portmap(runtime(json!([{ "hostPort": 0, "containerPort": 80, "protocol": "tcp" }]))),
             "Invalid host port number: 0"),
            ("ADD", "portmap", portmap(json!({ "externalSetMarkChain": "KUBE", "markMasqBit": 5 })),
             "Cannot specify externalSetMarkChain and markMasqBit"),
        ] {
            let error = call(host, plugin, keys).verb(verb).run().fails().error();
            assert_eq!((error.msg.as_str(), error.details.as_str()), (text, ""), "{plugin}");
        }
    }
}

ferrule_testkit::test! {
    /// An error quotes only a short part of a request.
    fn an_error_quotes_little_of_the_request(host) {
        host.netns("c1");
        let long = "é".repeat(50_000);
        for (plugin, key) in [("bridge", "mac"), ("macvlan", "mode"), ("host-device", "hwaddr"), ("vlan", "master")] {
            let keys = json!({ key: long, "runtimeConfig": { key: long }, "ipam": { "type": long } });
            for verb in ["ADD", "STATUS"] {
                let outcome = call(host, plugin, keys.clone()).verb(verb).run().fails();
                assert!(!outcome.error().msg.is_empty() && outcome.stdout.len() < 10_000, "{verb} of {plugin}");
            }
        }
        let path = format!("/{}", "x".repeat(100_000));
        let outcome = call(host, "loopback", json!({})).netns(path).add().fails();
        assert!(outcome.stdout.len() < 10_000);
    }
}

ferrule_testkit::test! {
    /// A log line quotes only a short part of a request.
    fn a_log_line_quotes_little_of_the_request(host) {
        let long = "é".repeat(50_000);
        for (plugin, keys) in [
            ("static", json!({ "ipam": { "type": "static", "addresses": long } })),
            ("bridge", json!({ "ipam": long })),
        ] {
            let outcome = call(host, plugin, keys).verb("DEL").run().succeeds();
            assert!(outcome.stderr.contains("ignores"), "{plugin}");
            assert!(outcome.stderr.len() < 10_000, "{plugin}");
        }
    }
}
