use std::fs;

use serde_json::json;

use super::{FakePlugins, list, network, parameters};

#[test]
fn check_asks_every_plugin_with_the_final_result() {
    let fake = FakePlugins::new();
    let network = network("0.4.0", &["one", "two"]);
    fake.runtime.add(&network, &parameters()).unwrap();
    fake.calls();
    fake.runtime.check(&network, &parameters()).unwrap();
    let calls = fake.calls();
    assert_eq!((calls[0].0.as_str(), calls[0].1.as_str()), ("CHECK", "one"));
    assert_eq!(calls[1].1, "two");
    // Converted to the configuration's version.
    let result = json!({
        "cniVersion": "0.4.0", "dns": {}, "ips": [{"version": "4", "address": "10.0.0.2/24"}]
    });
    assert_eq!(calls[0].2["prevResult"], result);
    assert_eq!(calls[1].2["prevResult"], result);
}

#[test]
fn check_stops_at_the_first_objection_and_keeps_its_code() {
    let fake = FakePlugins::new();
    fake.plugin("two", r#"echo '{"code": 123, "msg": "gone"}'; exit 1"#);
    let network = network("1.0.0", &["one", "two", "three"]);
    let error = fake.runtime.check(&network, &parameters()).unwrap_err();
    assert_eq!(error.code(), 123);
    assert_eq!(
        error.to_string(),
        r#"plugin type="two" failed (check): gone"#
    );
    assert_eq!(fake.order(), ["CHECK one", "CHECK two"]);
}

#[test]
fn check_needs_version_0_4_0_and_can_be_disabled() {
    let fake = FakePlugins::new();
    let old = network("0.3.1", &["one"]);
    assert_eq!(
        fake.runtime
            .check(&old, &parameters())
            .unwrap_err()
            .to_string(),
        r#"configuration version "0.3.1" does not support the CHECK command"#
    );
    let disabled = |version: &str| {
        list(&json!({
            "name": "net", "cniVersion": version, "disableCheck": true, "plugins": [{"type": "one"}]
        }))
    };
    fake.runtime
        .check(&disabled("1.0.0"), &parameters())
        .unwrap();
    assert!(
        fake.runtime
            .check(&disabled("0.3.0"), &parameters())
            .is_err()
    );
    assert!(
        fake.runtime
            .check(&network("1.x", &["one"]), &parameters())
            .is_err()
    );
    assert_eq!(fake.calls(), []);
}

#[test]
fn a_result_that_cannot_be_used_fails_check_but_not_del() {
    let fake = FakePlugins::new();
    let network = network("0.4.0", &["one"]);
    fs::create_dir_all(fake.path("cache/results")).unwrap();
    let entry = |result: &str| {
        let mine = r#""containerId": "c1", "networkName": "net", "ifName": "eth0""#;
        format!(r#"{{"kind": "cniCacheV1", "config": "", {mine}, "result": {result}}}"#)
    };
    for content in [
        "no JSON".to_owned(),
        r#"{"kind": "cniCacheV1", "containerId": 1}"#.to_owned(),
        r#"{"kind": "other", "cniVersion": "4.5.6"}"#.to_owned(),
        entry(r#"{"cniVersion": "4.5.6"}"#),
        entry(r#"{"cniVersion": "1.0.0", "ips": 1}"#),
    ] {
        fs::write(fake.cached(), &content).unwrap();
        let error = fake
            .runtime
            .check(&network, &parameters())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(r#"failed to get network "net" cached result: "#),
            "{error}"
        );
        assert_eq!(fake.calls(), [], "{content}");
        fake.runtime.del(&network, &parameters()).unwrap();
        let calls = fake.calls();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].2.get("prevResult"), None);
        assert!(!fake.cached().exists());
    }
}

#[test]
fn results_of_other_versions_and_of_the_old_form_are_converted() {
    let fake = FakePlugins::new();
    let network = network("1.0.0", &["one"]);
    fs::create_dir_all(fake.path("cache/results")).unwrap();
    let bare = r#"{"cniVersion": "0.2.0", "ip4": {"ip": "10.1.2.3/24"}}"#;
    fs::write(fake.cached(), bare).unwrap();
    fake.runtime.check(&network, &parameters()).unwrap();
    assert_eq!(
        fake.calls()[0].2["prevResult"],
        json!({"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.3/24"}]})
    );
    // An entry without a result is no result, and no error.
    let entry =
        r#"{"kind": "cniCacheV1", "containerId": "c1", "networkName": "net", "ifName": "eth0"}"#;
    fs::write(fake.cached(), entry).unwrap();
    fake.runtime.check(&network, &parameters()).unwrap();
    assert_eq!(fake.calls()[0].2.get("prevResult"), None);
}

#[test]
fn files_belong_to_whom_their_content_names() {
    let fake = FakePlugins::new();
    let mut longer_id = parameters();
    longer_id.container_id = "c-c1".to_owned();
    fake.runtime
        .add(&network("1.0.0", &["one"]), &longer_id)
        .unwrap();
    fake.calls();
    // Container "c1" of network "net-c" has a file of the same name.
    let longer_name =
        list(&json!({"name": "net-c", "cniVersion": "1.0.0", "plugins": [{"type": "one"}]}));
    assert_eq!(
        fake.runtime
            .cached_result(&longer_name, &parameters())
            .unwrap(),
        None
    );
    fake.runtime.del(&longer_name, &parameters()).unwrap();
    assert_eq!(fake.calls()[0].2.get("prevResult"), None);
    assert!(fake.path("cache/results/net-c-c1-eth0").exists());
    let mut astray = parameters();
    astray.container_id = "../c1".to_owned();
    assert!(fake.runtime.cached_result(&longer_name, &astray).is_err());
}

#[test]
fn del_goes_backwards_and_forgets() {
    let fake = FakePlugins::new();
    let network = network("1.0.0", &["one", "two", "three"]);
    fake.runtime.add(&network, &parameters()).unwrap();
    fake.calls();
    fake.runtime.del(&network, &parameters()).unwrap();
    let calls = fake.calls();
    let order: Vec<&str> = calls.iter().map(|call| call.1.as_str()).collect();
    assert_eq!(order, ["three", "two", "one"]);
    for (_, _, request) in &calls {
        assert_eq!(request["prevResult"]["ips"][0]["address"], "10.0.0.3/24");
    }
    assert!(!fake.cached().exists());
    fake.runtime.del(&network, &parameters()).unwrap();
    assert_eq!(fake.calls().len(), 3);
}

#[test]
fn del_before_0_4_0_gets_no_result_but_forgets() {
    let fake = FakePlugins::new();
    let network = network("0.3.1", &["one"]);
    fake.runtime.add(&network, &parameters()).unwrap();
    assert!(fake.cached().exists());
    fake.calls();
    fake.runtime.del(&network, &parameters()).unwrap();
    assert_eq!(fake.calls()[0].2.get("prevResult"), None);
    assert!(!fake.cached().exists());
}

#[test]
fn del_stops_at_an_error_and_remembers() {
    let fake = FakePlugins::new();
    let network = network("1.0.0", &["one", "two", "three"]);
    fake.runtime.add(&network, &parameters()).unwrap();
    fake.plugin("two", "echo no >&2; exit 1");
    fake.calls();
    let error = fake.runtime.del(&network, &parameters()).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"plugin type="two" failed (delete): exited with status 1 and only logged "no\n""#
    );
    assert_eq!(error.code(), 0);
    assert_eq!(fake.order(), ["DEL three", "DEL two"]);
    assert!(fake.cached().exists());
    assert!(
        fake.runtime
            .del(&super::network("0.4.x", &["one"]), &parameters())
            .is_err()
    );
}
