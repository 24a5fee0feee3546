//! The plugin `static`: black-box tests.

use ferrule_testkit::{Call, Host};
use serde_json::{Value, json};

fn call(host: &Host, config: &Value) -> Call {
    prepare(host.plugin("static"), config)
}

fn prepare(call: Call, config: &Value) -> Call {
    let call = call.container("c1").netns("/run/netns/none").ifname("eth0");
    call.config(config)
}

fn config(version: &str, mut ipam: Value) -> Value {
    ipam["type"] = json!("static");
    json!({ "cniVersion": version, "name": "net", "type": "bridge", "ipam": ipam })
}

fn with(mut config: Value, key: &str, value: Value) -> Value {
    config[key] = value;
    config
}

/// Both families with gateways, two routes to one destination, and name servers.
fn full() -> Value {
    json!({
        "addresses": [
            { "address": "10.10.0.1/24", "gateway": "10.10.0.254" },
            { "address": "3ffe:ffff:0:01ff::1/64", "gateway": "3ffe:ffff:0::1" },
        ],
        "routes": [
            { "dst": "0.0.0.0/0" }, { "dst": "192.168.0.0/16", "gw": "10.10.5.1" },
            { "dst": "192.168.0.0/16", "gw": "10.10.5.2" }, { "dst": "3ffe:ffff:0:01ff::1/64" },
        ],
        "dns": { "nameservers": ["8.8.8.8"], "domain": "example.com", "search": ["example.com"], "options": [] },
    })
}

ferrule_testkit::test! {
    /// The result is the configuration; ADD leaves nothing, and DEL has nothing to do.
    fn add_returns_the_configuration(host, version in VERSIONS) {
        let call = call(host, &config(version, full()));
        let before = host.snapshot();
        let result = call.add().succeeds().json();
        assert_eq!(result["dns"], json!({ "nameservers": ["8.8.8.8"], "domain": "example.com", "search": ["example.com"] }));
        if version < "0.3.0" {
            assert_eq!(result["ip4"]["ip"], "10.10.0.1/24");
            assert_eq!(result["ip6"]["gateway"], "3ffe:ffff::1");
            assert_eq!(result["ip4"]["routes"].as_array().unwrap().len(), 3);
        } else {
            assert_eq!(result["ips"][0]["gateway"], "10.10.0.254");
            assert_eq!(result["ips"][1]["address"], "3ffe:ffff:0:1ff::1/64");
            assert_eq!(result["routes"][1], json!({ "dst": "192.168.0.0/16", "gw": "10.10.5.1" }));
            assert_eq!(result["routes"][2], json!({ "dst": "192.168.0.0/16", "gw": "10.10.5.2" }));
        }
        call.del().succeeds().stdout_is("");
        ferrule_testkit::assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// The result of a request is that of the Go plugin.
    fn results_are_equal(host, version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"]) needs [PeerPlugins] {
        let full = config(version, full());
        let bare = config(version, json!({ "dns": { "domain": "d" } }));
        let runtime = json!({ "ips": ["10.7.0.1/8", "fd07::1/64"] });
        for (config, args) in [
            (full.clone(), ""),
            (bare.clone(), "IP=10.10.0.2/24,fd01::2/64;GATEWAY=10.10.0.254, fd01::1"),
            (bare.clone(), "IgnoreUnknown=1;IP=::ffff:10.0.0.1/120;MORE=1"),
            (with(full.clone(), "RuntimeConfig", runtime.clone()), "IP=10.10.0.2/24"),
            (with(full.clone(), "args", json!({ "cni": runtime })), ""),
        ] {
            let our = call(host, &config).args(args).add().succeeds();
            let their = prepare(host.peer_plugin("static"), &config).args(args).add().succeeds();
            assert_eq!(our.json(), their.json());
            if version < "1.0.0" {
                assert_eq!(our.stdout, their.stdout);
            }
        }
    }
}

ferrule_testkit::test! {
    /// An address as the Go plugin's own type is marshalled: with keys that differ only in case.
    fn a_marshalled_go_address_is_read(host, version in ["0.3.1", "1.0.0"]) needs [PeerPlugins] {
        let marshalled = json!({
            "address": "10.1.0.1/16", "gateway": "10.1.0.254",
            "Address": { "IP": "10.1.0.1", "Mask": "//8AAA==" }, "Version": "4",
        });
        let text = config(version, json!({ "addresses": [marshalled], "dns": { "domain": "d" } })).to_string();
        // In either order: text keeps the order, a `Value` sorts.
        let turned = text.replace(r#""address":"10.1.0.1/16","#, "").replace(r#"{"Address""#, r#"{"address":"10.1.0.1/16","Address""#);
        assert_ne!(text, turned);
        for text in [text, turned] {
            let our = call(host, &json!({})).stdin(text.clone()).add().succeeds();
            let their = prepare(host.peer_plugin("static"), &json!({})).stdin(text).add().succeeds();
            assert_eq!(our.json(), their.json());
        }
    }
}

ferrule_testkit::test! {
    /// Later sources replace earlier ones; the environment adds to them.
    fn sources_have_an_order(host) {
        let base = config("1.1.0", json!({ "addresses": [{ "Address": "10.1.0.1/16" }] }));
        let first = |config: &Value, args: &str| {
            let result = call(host, config).args(args).add().succeeds().json();
            let ips = result["ips"].as_array().unwrap().clone();
            ips.iter().map(|ip| ip["address"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let args = "IP=10.2.0.1/16";
        assert_eq!(first(&base, ""), ["10.1.0.1/16"]);
        assert_eq!(first(&base, args), ["10.1.0.1/16", "10.2.0.1/16"]);
        let cni = with(base, "args", json!({ "cni": { "ips": ["10.3.0.1/16"] } }));
        assert_eq!(first(&cni, args), ["10.3.0.1/16"]);
        let runtime = with(cni, "runtimeConfig", json!({ "ips": ["10.4.0.1/16"] }));
        assert_eq!(first(&runtime, args), ["10.4.0.1/16"]);
    }
}

ferrule_testkit::test! {
    /// Without an address there is a result if the version allows one.
    fn a_configuration_without_addresses(host, version in VERSIONS) {
        let outcome = call(host, &config(version, json!({}))).add();
        if version < "0.3.0" {
            outcome.fails_with_code(999).mentions("no valid IP addresses");
        } else {
            assert_eq!(outcome.succeeds().json()["ips"], Value::Null);
        }
    }
}

ferrule_testkit::test! {
    /// One address per family in versions with room for one.
    fn old_versions_take_one_address_of_each_family(host, version in VERSIONS) {
        let outcome = call(host, &config(version, json!({}))).args("IP=10.1.0.1/16,10.1.0.2/16").add();
        if version < "0.3.0" {
            outcome.fails_with_code(7).mentions("does not support more than 1 address per family");
        } else {
            outcome.succeeds();
        }
    }
}

ferrule_testkit::test! {
    /// Invalid values fail ADD, CHECK and STATUS, but not DEL.
    fn invalid_values_fail_all_verbs_but_del(host) {
        let sound = config("1.1.0", full());
        let mut missing = sound.clone();
        missing.as_object_mut().unwrap().remove("ipam");
        for (config, args, code, gist) in [
            (missing, "IP=10.1.0.1/16", 7, "IPAM config missing 'ipam' key"),
            (with(sound.clone(), "ipam", json!({ "addresses": [{ "address": "10.1.0.1" }] })), "", 7, "got: '10.1.0.1'"),
            (with(sound.clone(), "ipam", json!({ "addresses": [null] })), "", 7, "got: ''"),
            (with(sound.clone(), "ipam", json!({ "addresses": "x" })), "", 6, "ipam.addresses"),
            (with(sound.clone(), "runtimeConfig", json!({ "ips": ["10.1.0.1"] })), "", 7, "runtimeConfig.ips"),
            (with(sound.clone(), "args", json!({ "cni": { "ips": ["10.1.0.1"] } })), "", 7, "args.cni.ips"),
            (sound.clone(), "IP=10.1.0.1", 4, "got: '10.1.0.1'"),
            (sound.clone(), "SUBNET=10.1.0.0/16", 4, "unknown args"),
            (sound.clone(), "IP=10.1.0.1/16;GATEWAY=none", 4, "invalid gateway address: none"),
        ] {
            let call = call(host, &config).args(args);
            call.add().fails_with_code(code).mentions(gist);
            call.check().fails_with_code(code).mentions(gist);
            if args.is_empty() {
                call.status().fails_with_code(code).mentions(gist);
            }
            call.del().succeeds().stdout_is("");
            call.without_env("CNI_NETNS").del().succeeds().stdout_is("");
        }
        call(host, &sound).status().succeeds().stdout_is("");
        let garbage = with(sound.clone(), "cni.dev/valid-attachments", json!([]));
        call(host, &garbage).gc().succeeds().stdout_is("");
        call(host, &sound).gc().succeeds().stdout_is("");
    }
}

ferrule_testkit::test! {
    /// CHECK looks for every configured address and its gateway in the previous result.
    fn check_compares_with_the_previous_result(host, version in ["0.4.0", "1.0.0", "1.1.0"]) {
        let config = config(version, full());
        let result = call(host, &config).add().succeeds().json();
        let check = |result: Value| call(host, &with(config.clone(), "prevResult", result)).check();
        call(host, &config).check().fails_with_code(7).mentions("required prevResult missing");
        check(result.clone()).succeeds().stdout_is("");
        let changed = |change: fn(&mut Vec<Value>)| {
            let mut result = result.clone();
            change(result["ips"].as_array_mut().unwrap());
            check(result)
        };
        changed(|ips| ips.reverse()).succeeds();
        changed(|ips| ips.push(json!({ "version": "4", "address": "10.9.9.9/24" }))).succeeds();
        // Upstream passes this one.
        changed(|ips| drop(ips.remove(1))).fails_with_code(999)
            .mentions("Failed to match addr 3ffe:ffff:0:1ff::1 on interface eth0");
        changed(|ips| ips[0]["gateway"] = json!("10.10.0.253")).fails_with_code(999).mentions("10.10.0.254");
        check(json!({ "cniVersion": "0.2.0" })).fails();
    }
}
