//! Every invalid request ends in a typed error.

use ferrule_testkit::{Call, Host, assert_same};
use ferrule_tests::{Network, with_prev_result};
use serde_json::{Value, json};

const VARIABLES: [&str; 4] = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"];

fn call(host: &Host, plugin: &str) -> Call {
    if plugin == "loopback" {
        let config = json!({ "cniVersion": "1.1.0", "name": "net", "type": "loopback" });
        let call = host
            .plugin("loopback")
            .container("c1")
            .netns("/run/netns/c1");
        return call.ifname("lo").config(config);
    }
    Network::of(plugin).call(host, "c1")
}

ferrule_testkit::test! {
    /// VERSION needs no other variable and reads no configuration.
    fn version_needs_no_input(host, plugin in ["bridge", "ptp", "loopback"]) {
        let call = host.plugin(plugin).without_env("CNI_PATH").stdin("no JSON");
        call.verb("VERSION").run().succeeds().stdout_is(concat!(
            r#"{"cniVersion":"1.1.0","supportedVersions":["#,
            r#""0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}"#, "\n",
        ));
    }
}

ferrule_testkit::test! {
    /// The protocol's checks of the environment: missing and invalid variables.
    fn invalid_variables_are_refused(host, plugin in ["bridge", "ptp", "loopback"]) {
        host.netns("c1");
        let before = host.snapshot();
        let call = call(host, plugin);
        for verb in ["ADD", "CHECK", "DEL"] {
            let call = call.clone().verb(verb);
            for variable in VARIABLES {
                let outcome = call.clone().without_env(variable).run();
                if (verb, variable) == ("DEL", "CNI_NETNS") {
                    outcome.succeeds();
                } else {
                    let text = format!("required env variables [{variable}] missing");
                    outcome.fails_with_code(4).mentions(&text);
                }
            }
            let empty = VARIABLES.iter().fold(call.clone(), |call, name| call.env(name, ""));
            let names = if verb == "DEL" { "CNI_CONTAINERID,CNI_IFNAME,CNI_PATH" }
                else { "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH" };
            empty.run().fails_with_code(4).mentions(&format!("[{names}] missing"));
            for id in ["c%1", "-c1", "c 1", "c/1", "c1\n"] {
                let outcome = call.clone().container(id).without_env("CNI_PATH").run();
                outcome.fails_with_code(4).mentions("invalid characters in containerID");
            }
            for (name, text) in [
                ("sixteen-letters-", "interface name is too long"),
                (".", "interface name is . or .."), ("..", "interface name is . or .."),
                ("a/b", "contains / or : or whitespace"), ("a:b", "contains / or : or whitespace"),
                ("a b", "contains / or : or whitespace"), ("a\u{a0}b", "contains / or : or whitespace"),
            ] {
                call.clone().ifname(name).run().fails_with_code(4).mentions(text);
            }
        }
        for verb in ["add", "ADD ", "NONSENSE"] {
            call.clone().verb(verb).run().fails_with_code(4).mentions("unknown CNI_COMMAND: ");
            call.clone().verb(verb).stdin("{}").run().fails_with_code(7);
        }
        call.clone().env("CNI_CONTAINERID", "c%").gc().succeeds().stdout_is("");
        assert_same(&before, &host.snapshot());
    }
}

ferrule_testkit::test! {
    /// The protocol's checks of the configuration as a whole.
    fn invalid_configurations_are_refused(host, plugin in ["bridge", "ptp", "loopback"]) {
        host.netns("c1");
        let before = host.snapshot();
        let call = call(host, plugin);
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let with = |key: &str, value: &str| {
            format!(r#"{{"cniVersion": "1.1.0", "name": "net", "type": "x", "{key}": {value}}}"#)
        };
        let large = with("filler", &format!("{:?}", "x".repeat(10 << 20)));
        for (input, code) in [
            (String::new(), 6), ("no JSON".into(), 6), ("[]".into(), 6), ("5".into(), 6),
            ("{}".into(), 7), ("null".into(), 7), (r#"{"name": null}"#.into(), 7),
            (r#"{"name": "a b"}"#.into(), 7), (r#"{"name": "net\n"}"#.into(), 7), (r#"{"name": 5}"#.into(), 6),
            (r#"{"name": "net", "cniVersion": "9.9.9"}"#.into(), 1),
            (r#"{"name": "net", "cniVersion": "1.1"}"#.into(), 1),
            (r#"{"name": "net", "cniVersion": 1}"#.into(), 6),
            (with("a", "1") + "x", 6), (deep.clone(), 6), (with("a", &deep), 6), (large, 6),
        ] {
            for verb in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
                // These verbs need a newer version than the configuration's, which is checked
                // first.
                let outcome = call.clone().stdin(input.clone()).verb(verb).run();
                assert!(outcome.stdout.len() < 10_000, "an answer, not a copy of the question");
                let shown = input.get(..60).unwrap_or(&input);
                let found = outcome.fails().error().code;
                assert!(found == code, "{verb} of {shown}: {found} is not {code}");
            }
        }
        for bytes in [&b"{\"name\": \"\xff\"}"[..], b"\xff\xfe", b"{\"name\": \"net\", \"x\": \"\xc3\x28\"", b"\0"] {
            for verb in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
                let outcome = call.clone().stdin(bytes).verb(verb).run().fails();
                assert!([6, 7].contains(&outcome.error().code), "{outcome}");
            }
        }
        assert_same(&before, &host.snapshot());
    }
}

/// All copies of a document in which one value is replaced by this one.
fn mutants(value: &Value, instead: &Value) -> Vec<Value> {
    let mut found = vec![instead.clone()];
    match value {
        Value::Object(entries) => {
            for (key, inner) in entries {
                found.extend(mutants(inner, instead).into_iter().map(|mutant| {
                    let mut copy = value.clone();
                    copy[key] = mutant;
                    copy
                }));
            }
        }
        Value::Array(values) => {
            for (index, inner) in values.iter().enumerate() {
                found.extend(mutants(inner, instead).into_iter().map(|mutant| {
                    let mut copy = value.clone();
                    copy[index] = mutant;
                    copy
                }));
            }
        }
        _ => {}
    }
    found
}

/// A configuration with every key.
fn full(plugin: &str) -> Value {
    let keys = json!({
        "isDefaultGateway": true, "forceAddress": true, "ipMasq": false, "mtu": 1400,
        "hairpinMode": true, "promiscMode": false, "vlan": 0, "preserveDefaultVlan": true,
        "macspoofchk": false, "enabledad": false, "disableContainerInterface": false,
        "portIsolation": true, "capabilities": { "mac": true },
        "args": { "cni": { "mac": "02:00:00:00:00:01" } },
        "runtimeConfig": { "mac": "02:00:00:00:00:02" },
        "dns": { "nameservers": ["192.0.2.1"], "domain": "d", "search": ["s"], "options": ["o"] },
        "cni.dev/valid-attachments": [{ "containerID": "c1", "ifname": "eth0" }],
    });
    Network::of(plugin).with(keys).config
}

ferrule_testkit::test! {
    /// A null or a value of a wrong type at every position of the configuration and of the
    /// previous result: a result or a typed error, and DEL removes everything.
    fn every_wrong_value_ends_in_a_typed_error(host, plugin in ["bridge", "ptp"]) {
        let call = call(host, plugin);
        let full = full(plugin);
        host.netns("c1");
        let result = call.clone().config(&full).add().succeeds().json();
        let complete = with_prev_result(&full, &result);
        call.clone().config(&complete).check().succeeds();
        for instead in [json!(null), json!(7), json!("x"), json!([]), json!({ "a": 1 })] {
            for mutant in mutants(&complete, &instead) {
                for verb in ["CHECK", "STATUS", "GC"] {
                    let outcome = call.clone().config(&mutant).verb(verb).run();
                    assert_typed(&outcome, &mutant);
                }
            }
        }
        call.clone().config(&full).del().succeeds();
        for instead in [json!(null), json!(7), json!("x"), json!([]), json!({ "a": 1 })] {
            for mutant in mutants(&full, &instead) {
                assert_typed(&call.clone().config(&mutant).add(), &mutant);
                assert_typed(&call.clone().config(&mutant).del(), &mutant);
                call.clone().config(&full).del().succeeds();
                assert_eq!(links(host), 0, "left of {mutant}");
            }
        }
    }
}

/// The veth ends on the host.
fn links(host: &Host) -> usize {
    let entries = host.inside(|| {
        std::fs::read_dir("/sys/class/net")
            .unwrap()
            .collect::<Vec<_>>()
    });
    let names = entries
        .into_iter()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("veth")).count()
}

#[track_caller]
fn assert_typed(outcome: &ferrule_testkit::Outcome, config: &Value) {
    match outcome.status.code() {
        Some(0) => assert!(
            outcome.stdout.is_empty() || outcome.json().is_object(),
            "{outcome}"
        ),
        Some(1) => assert!(!outcome.error().msg.is_empty(), "{outcome}"),
        _ => panic!("{outcome} of {config}"),
    }
}

ferrule_testkit::test! {
    /// The error names a known key of a wrong type, and ADD changes nothing.
    fn keys_of_a_wrong_type_are_named(host) {
        host.netns("c1");
        let before = host.snapshot();
        for (keys, name) in [
            (json!({ "bridge": 5 }), "bridge"), (json!({ "isGateway": "yes" }), "isGateway"),
            (json!({ "mtu": "1500" }), "mtu"), (json!({ "mtu": 1.5 }), "mtu"),
            (json!({ "vlan": "5" }), "vlan"), (json!({ "vlanTrunk": { "id": 1 } }), "vlanTrunk"),
            (json!({ "vlanTrunk": [{ "minID": "1" }] }), "vlanTrunk[0].minID"),
            (json!({ "dns": { "nameservers": "1.1.1.1" } }), "dns.nameservers"),
            (json!({ "runtimeConfig": { "mac": 5 } }), "runtimeConfig.mac"),
            (json!({ "ipam": "host-local" }), "ipam"), (json!({ "ipam": { "type": 5 } }), "ipam.type"),
            (json!({ "prevResult": "none" }), "prevResult"), (json!({ "type": 5 }), "type"),
            (json!({ "capabilities": { "mac": "yes" } }), "capabilities.mac"),
        ] {
            let call = Network::bridge().with(keys).call(host, "c1");
            call.add().fails_with_code(6).mentions(&format!("key {name:?}"));
        }
        assert_same(&before, &host.snapshot());
    }
}
