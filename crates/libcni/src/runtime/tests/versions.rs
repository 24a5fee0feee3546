use std::fs;

use serde_json::json;

use super::{FakePlugins, list, network};
use crate::config::{NetworkList, PluginConfig};

#[test]
fn plugins_are_asked_without_touching_anything() {
    let fake = FakePlugins::new();
    fake.plugin(
        "one",
        r#"env | grep ^CNI_ | sort > "$0.env"; echo '{"cniVersion":"1.1.0","supportedVersions":["0.4.0","9.9"]}'"#,
    );
    assert_eq!(fake.runtime.versions("one").unwrap(), ["0.4.0", "9.9"]);
    assert_eq!(
        fs::read_to_string(fake.path("bin/one.env")).unwrap(),
        "CNI_ARGS=\nCNI_COMMAND=VERSION\nCNI_CONTAINERID=\nCNI_IFNAME=dummy\nCNI_NETNS=dummy\nCNI_PATH=dummy\n"
    );
    assert_eq!(fake.calls()[0].2, json!({"cniVersion": "1.1.0"}));
}

#[test]
fn old_and_odd_replies_are_understood() {
    let fake = FakePlugins::new();
    let ask = |body: &str| {
        fake.plugin("one", body);
        fake.runtime
            .versions("one")
            .map_err(|error| error.to_string())
    };
    let legacy = r#"echo '{"code": 4, "msg": "unknown CNI_COMMAND: VERSION"}'; exit 1"#;
    assert_eq!(ask(legacy).unwrap(), ["0.1.0"]);
    assert_eq!(
        ask(r#"echo '{"cniVersion": "0.2.0"}'"#).unwrap(),
        ["0.1.0", "0.2.0"]
    );
    let wrong = |body: &str| {
        let text = ask(body).unwrap_err();
        text.strip_prefix("plugin type=\"one\" failed (version): ")
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        wrong(r#"echo '{"supportedVersions": ["1.0.0"]}'"#),
        "decoding version info: missing field cniVersion"
    );
    assert_eq!(
        wrong(r#"echo '{"cniVersion": "1.0.0"}'"#),
        "decoding version info: missing field supportedVersions"
    );
    assert!(wrong("echo no JSON").starts_with("decoding version info: "));
    assert!(wrong("exit 1").starts_with("exited with status 1 without"));
    assert!(
        fake.runtime
            .versions("nowhere")
            .unwrap_err()
            .to_string()
            .contains("failed to find")
    );
}

#[test]
fn validation_reports_all_complaints_and_the_capabilities() {
    let fake = FakePlugins::new();
    for (name, versions) in [("one", r#""1.0.0""#), ("two", r#""0.1.0", "1.0.0""#)] {
        let reply = format!(r#"{{"cniVersion":"1.1.0","supportedVersions":[{versions}]}}"#);
        fake.plugin(name, &format!("echo '{reply}'"));
    }
    let good = list(&json!({"name": "net", "cniVersion": "1.0.0", "plugins": [
        {"type": "one", "capabilities": {"b": true, "x": false}},
        {"type": "two", "capabilities": {"a": true, "b": true}},
    ]}));
    let enabled = fake.runtime.validate(&good).unwrap();
    assert_eq!(enabled.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    let bad = network("0.4.0", &["one", "nowhere", "two"]);
    let text = fake.runtime.validate(&bad).unwrap_err().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(
        lines[0],
        r#"plugin one does not support config version "0.4.0""#
    );
    assert!(lines[1].contains("failed to find plugin \"nowhere\""));
    let unversioned = PluginConfig::from_bytes(br#"{"name": "n", "type": "two"}"#).unwrap();
    let unversioned = NetworkList::from_plugin(&unversioned).unwrap();
    fake.runtime.validate(&unversioned).unwrap();
    assert!(fake.runtime.validate(&network("", &["one"])).is_err());
}
