use serde_json::{Value, json};

use super::{FakePlugins, list, network, parameters};
use crate::{Attachment, Parameters};

fn attachment(container_id: &str, ifname: &str) -> Attachment {
    Attachment {
        container_id: container_id.to_owned(),
        ifname: ifname.to_owned(),
    }
}

#[test]
fn stale_attachments_are_deleted_and_plugins_told_the_valid_ones() {
    let fake = FakePlugins::new();
    let network = network("1.1.0", &["one", "two"]);
    for ifname in ["eth0", "eth1"] {
        let args = vec![("K".to_owned(), ifname.to_owned())];
        let parameters = Parameters {
            ifname: ifname.to_owned(),
            args,
            ..parameters()
        };
        fake.runtime.add(&network, &parameters).unwrap();
    }
    let other = list(&json!({"name": "other", "plugins": [{"type": "one"}]}));
    fake.runtime.add(&other, &parameters()).unwrap();
    fake.calls();
    fake.runtime
        .gc(&network, &[attachment("c1", "eth1")])
        .unwrap();
    let calls = fake.calls();
    let order: Vec<String> = calls.iter().map(|(v, p, _)| format!("{v} {p}")).collect();
    assert_eq!(order, ["DEL two", "DEL one", "GC one", "GC two"]);
    assert_eq!(calls[0].2["prevResult"]["ips"][0]["address"], "10.0.0.2/24");
    let valid = json!([{"containerID": "c1", "ifname": "eth1"}]);
    assert_eq!(
        calls[2].2,
        json!({
            "cniVersion": "1.1.0", "name": "net", "type": "one",
            "cni.dev/valid-attachments": valid, "cni.dev/attachments": valid,
        })
    );
    assert!(!fake.cached().exists());
    assert!(fake.path("cache/results/net-c1-eth1").exists());
    assert!(fake.path("cache/results/other-c1-eth0").exists());
}

#[test]
fn the_empty_list_is_sent_too() {
    let fake = FakePlugins::new();
    let network = network("1.1.0", &["one"]);
    fake.runtime.add(&network, &parameters()).unwrap();
    fake.calls();
    fake.runtime.gc(&network, &[]).unwrap();
    let calls = fake.calls();
    assert_eq!(calls[0].0, "DEL");
    assert_eq!(
        (
            calls[1].0.as_str(),
            &calls[1].2["cni.dev/valid-attachments"]
        ),
        ("GC", &json!([]))
    );
    assert_eq!(calls.len(), 2);
}

#[test]
fn stale_attachments_go_in_every_version_and_nothing_goes_if_gc_is_disabled() {
    let fake = FakePlugins::new();
    let old = network("1.0.0", &["one"]);
    fake.runtime.add(&old, &parameters()).unwrap();
    fake.calls();
    let disabled = list(&json!({
        "name": "net", "cniVersion": "1.1.0", "disableGC": "TRUE", "plugins": [{"type": "one"}]
    }));
    fake.runtime.gc(&disabled, &[]).unwrap();
    assert_eq!(fake.order(), Vec::<String>::new());
    fake.runtime.gc(&old, &[]).unwrap();
    assert_eq!(fake.order(), ["DEL one"]);
}

#[test]
fn errors_are_collected() {
    let fake = FakePlugins::new();
    let network = network("1.1.0", &["one", "two"]);
    fake.runtime.add(&network, &parameters()).unwrap();
    fake.plugin("one", "exit 1");
    fake.plugin(
        "two",
        r#"[ $CNI_COMMAND = DEL ] || { echo '{"code": 7, "msg": "m"}'; exit 1; }"#,
    );
    let error = fake.runtime.gc(&network, &[]).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("failed to delete stale attachment c1 eth0: plugin type=\"one\""));
    assert!(lines[1].starts_with("plugin type=\"one\" failed (gc): "));
    assert_eq!(lines[2], "plugin type=\"two\" failed (gc): m");
}

#[test]
fn status_stops_at_the_first_plugin_that_is_not_ready() {
    let fake = FakePlugins::new();
    let network = network("1.1.0", &["one", "two", "three"]);
    fake.runtime.status(&network).unwrap();
    let calls = fake.calls();
    assert_eq!(calls.len(), 3);
    let plain: Value = json!({"cniVersion": "1.1.0", "name": "net", "type": "one"});
    assert_eq!(calls[0].2, plain);
    fake.plugin("two", r#"echo '{"code": 50, "msg": "full"}'; exit 1"#);
    let error = fake.runtime.status(&network).unwrap_err();
    assert_eq!(error.code(), 50);
    assert_eq!(fake.order(), ["STATUS one", "STATUS two"]);
    fake.runtime
        .status(&super::network("1.0.0", &["two"]))
        .unwrap();
    assert_eq!(fake.order(), Vec::<String>::new());
}

#[test]
fn remembered_attachments_can_be_listed() {
    let fake = FakePlugins::new();
    assert_eq!(fake.runtime.cache().attachments(None).unwrap(), []);
    let network = network("1.0.0", &["one"]);
    for (container, ifname) in [
        ("c1", "eth0"),
        ("c1", "eth1"),
        ("c1-eth0", "x"),
        ("b", "eth0"),
    ] {
        let parameters = Parameters {
            container_id: container.to_owned(),
            ifname: ifname.to_owned(),
            ..parameters()
        };
        fake.runtime.add(&network, &parameters).unwrap();
    }
    for (name, content) in [
        ("net-c1-a", "no JSON"),
        ("net-c1-b", "{}"),
        ("net-c1-c", ""),
    ] {
        std::fs::write(fake.path("cache/results").join(name), content).unwrap();
    }
    let of = |id: Option<&str>| -> Vec<String> {
        let entries = fake.runtime.cache().attachments(id).unwrap();
        let show = |a: &Attachment| format!("{} {}", a.container_id, a.ifname);
        entries
            .iter()
            .map(|entry| show(&entry.attachment))
            .collect()
    };
    assert_eq!(of(Some("c1")), ["c1 eth0", "c1 eth1"]);
    assert_eq!(of(None), ["b eth0", "c1 eth0", "c1-eth0 x", "c1 eth1"]);
    assert_eq!(of(Some("none")), Vec::<String>::new());
}
