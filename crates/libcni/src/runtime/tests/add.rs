use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use serde_json::{Value, json};

use super::{FakePlugins, list, mode, network, parameters};
use crate::cache::Cached;
use crate::config::{NetworkList, PluginConfig};
use crate::{Parameters, Runtime};

#[test]
fn results_pass_from_plugin_to_plugin() {
    let fake = FakePlugins::new();
    fake.plugin(
        "two",
        r#"echo '{"ips":[{"address":"10.0.0.9/24"}],"routes":[{"dst":"0.0.0.0/0"}]}'"#,
    );
    let network = network("1.0.0", &["one", "two", "three"]);
    let result = fake.runtime.add(&network, &parameters()).unwrap();
    assert_eq!(
        result.to_value().unwrap()["ips"][0]["address"],
        "10.0.0.3/24"
    );
    let calls = fake.calls();
    let request = |index: usize| calls[index].2.clone();
    assert_eq!(
        request(0),
        json!({"cniVersion": "1.0.0", "name": "net", "type": "one"})
    );
    // Unconverted, in the version in which the plugin answered.
    assert_eq!(
        request(1)["prevResult"],
        json!({"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.1/24"}]})
    );
    // A result without a version is one of the configuration's version.
    assert_eq!(
        request(2)["prevResult"],
        json!({
            "cniVersion": "1.0.0", "ips": [{"address": "10.0.0.9/24"}],
            "routes": [{"dst": "0.0.0.0/0"}]
        })
    );
}

#[test]
fn the_environment_tells_the_attachment() {
    let fake = FakePlugins::new();
    fake.plugin("one", r#"env | grep ^CNI_ | sort > "$0.env"; echo '{}'"#);
    let parameters = Parameters {
        args: vec![("B".into(), "1".into()), ("A".into(), "x y".into())],
        ..parameters()
    };
    fake.runtime
        .add(&network("1.0.0", &["one"]), &parameters)
        .unwrap();
    let expected = format!(
        "CNI_ARGS=B=1;A=x y\nCNI_COMMAND=ADD\nCNI_CONTAINERID=c1\nCNI_IFNAME=eth0\n\
         CNI_NETNS=/run/netns/b\nCNI_PATH={}\n",
        fake.path("bin").display()
    );
    assert_eq!(
        fs::read_to_string(fake.path("bin/one.env")).unwrap(),
        expected
    );
}

#[test]
fn capabilities_reach_those_who_switched_them_on() {
    let fake = FakePlugins::new();
    let network = list(&json!({"name": "net", "cniVersion": "1.0.0", "plugins": [
        {"type": "one", "capabilities": {"portMappings": true, "mac": false, "ips": true}},
        {"type": "two", "capabilities": {"portMappings": false}, "RuntimeConfig": {"kept": 1}},
        {"type": "three", "CAPABILITIES": {"mac": true}, "runtimeConfig": {"lost": 1}},
    ]}));
    let capability_args = json!({"portMappings": [{"HostPort": 1}], "mac": "00:11:22:33:44:55"});
    let parameters = Parameters {
        capability_args: capability_args.as_object().unwrap().clone(),
        ..parameters()
    };
    fake.runtime.add(&network, &parameters).unwrap();
    let calls = fake.calls();
    assert_eq!(
        calls[0].2["runtimeConfig"],
        json!({"portMappings": [{"HostPort": 1}]})
    );
    assert_eq!(calls[0].2["capabilities"]["mac"], false);
    assert_eq!(calls[1].2["RuntimeConfig"], json!({"kept": 1}));
    assert_eq!(calls[1].2.get("runtimeConfig"), None);
    assert_eq!(
        calls[2].2["runtimeConfig"],
        json!({"mac": "00:11:22:33:44:55"})
    );
}

#[test]
fn other_spellings_of_the_runtimes_keys_do_not_win() {
    let fake = FakePlugins::new();
    let network = list(&json!({"name": "net", "cniVersion": "1.0.0", "plugins": [
        {"type": "one", "cniversion": "0.1.0", "NAME": "other", "prevresult": {"ips": []}},
    ]}));
    fake.runtime.add(&network, &parameters()).unwrap();
    assert_eq!(
        fake.calls()[0].2,
        json!({"type": "one", "cniVersion": "1.0.0", "name": "net", "prevresult": {"ips": []}})
    );
}

#[test]
fn numbers_arrive_as_plugins_want_them() {
    let fake = FakePlugins::new();
    let text = br#"{"name": "net", "cniVersion": "1.0.0", "plugins": [
        {"type": "one", "mtu": 1500.0, "e": 1e3, "half": 0.5, "big": 9007199254740993, "neg": -2.0}]}"#;
    let network = crate::config::NetworkList::from_bytes(text).unwrap();
    fake.runtime.add(&network, &parameters()).unwrap();
    let log = fs::read_to_string(fake.path("log")).unwrap();
    let request = r#"{"big":9007199254740993,"cniVersion":"1.0.0","e":1000,"half":0.5,"mtu":1500,"name":"net","neg":-2,"type":"one"}"#;
    assert_eq!(log, format!("ADD one {request}\n"));
}

#[test]
fn the_final_result_is_remembered_as_the_go_library_does() {
    let fake = FakePlugins::new();
    let network = network("1.0.0", &["one"]);
    let bare = parameters();
    let full = Parameters {
        ifname: "net1".into(),
        args: vec![("IgnoreUnknown".into(), "1".into())],
        capability_args: json!({"b": "<&>", "a": {"z": 1, "y": null}})
            .as_object()
            .unwrap()
            .clone(),
        ..parameters()
    };
    fake.runtime.add(&network, &bare).unwrap();
    fake.runtime.add(&network, &full).unwrap();
    // {"cniVersion":"1.0.0","name":"net","plugins":[{"type":"one"}]}
    let config =
        "eyJjbmlWZXJzaW9uIjoiMS4wLjAiLCJuYW1lIjoibmV0IiwicGx1Z2lucyI6W3sidHlwZSI6Im9uZSJ9XX0=";
    let head = format!(r#"{{"kind":"cniCacheV1","containerId":"c1","config":"{config}","ifName":"#);
    let result = r#""result":{"cniVersion":"1.1.0","ips":[{"address":"10.0.0.1/24"}]}}"#;
    assert_eq!(
        fs::read_to_string(fake.cached()).unwrap(),
        format!(r#"{head}"eth0","networkName":"net","netns":"/run/netns/b",{result}"#)
    );
    assert_eq!(
        fs::read_to_string(fake.path("cache/results/net-c1-net1")).unwrap(),
        format!(
            r#"{head}"net1","networkName":"net","netns":"/run/netns/b","cniArgs":[["IgnoreUnknown","1"]],"capabilityArgs":{{"a":{{"y":null,"z":1}},"b":"\u003c\u0026\u003e"}},{result}"#
        )
    );
    assert_eq!(mode(&fake.cached()), 0o600);
    assert_eq!(mode(&fake.path("cache/results")), 0o700);
    assert_eq!(fs::read_dir(fake.path("cache")).unwrap().count(), 1);
    let cached = fake
        .runtime
        .cache()
        .load("net", &full.attachment())
        .unwrap();
    let Some(Cached::Entry(entry)) = cached else {
        panic!()
    };
    assert_eq!(Parameters::from(&*entry), full);
    assert_eq!(entry.config, network.bytes());
    assert_eq!(
        fake.runtime
            .cached_result(&network, &full)
            .unwrap()
            .unwrap()
            .version
            .as_str(),
        "1.0.0"
    );
}

#[test]
fn a_failing_plugin_stops_add_and_nothing_is_remembered() {
    let fake = FakePlugins::new();
    fake.plugin("two", r#"[ $CNI_COMMAND = DEL ] || { echo '{"code": 11, "msg": "later", "details": "soon"}'; exit 1; }"#);
    let network = list(&json!({"name": "net", "cniVersion": "1.0.0", "plugins": [
        {"type": "one"}, {"type": "two", "name": "N"}, {"type": "three"}]}));
    let failed = fake.runtime.add(&network, &parameters()).unwrap_err();
    assert_eq!(
        failed.to_string(),
        r#"plugin type="two" name="N" failed (add): later; soon"#
    );
    assert_eq!((failed.error.code(), failed.started), (11, 2));
    assert!(!fake.cached().exists());
    assert_eq!(fake.order(), ["ADD one", "ADD two"]);

    fake.runtime
        .undo_add(&network, &parameters(), &failed)
        .unwrap();
    let calls = fake.calls();
    let order: Vec<_> = calls
        .iter()
        .map(|(verb, plugin, _)| format!("{verb} {plugin}"))
        .collect();
    assert_eq!(order, ["DEL two", "DEL one"]);
    assert_eq!(calls[0].2["prevResult"]["ips"][0]["address"], "10.0.0.1/24");
}

#[test]
fn undoing_goes_on_after_errors() {
    let fake = FakePlugins::new();
    fake.plugin("two", "exit 1");
    let network = network("0.3.1", &["one", "two", "three"]);
    let failed = fake.runtime.add(&network, &parameters()).unwrap_err();
    fake.calls();
    let error = fake
        .runtime
        .undo_add(&network, &parameters(), &failed)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(r#"plugin type="two" failed (delete): "#),
        "{error}"
    );
    let calls = fake.calls();
    assert_eq!((calls.len(), calls[1].1.as_str()), (2, "one"));
    // Before 0.4.0, DEL got no result.
    assert_eq!(calls[1].2.get("prevResult"), None);
}

#[test]
fn names_are_checked_before_a_plugin_runs() {
    let fake = FakePlugins::new();
    let plain = network("1.0.0", &["one"]);
    let refused = |network: &_, change: &dyn Fn(&mut Parameters)| {
        let mut changed = parameters();
        change(&mut changed);
        let failed = fake.runtime.add(network, &changed).unwrap_err();
        assert_eq!(failed.started, 0);
        let text = failed.to_string();
        let (plugin, rest) = text.split_once(" failed (add): ").unwrap();
        assert!(plugin.starts_with("plugin type="));
        (failed.error.code(), rest.to_owned())
    };
    let missing = network("1.0.0", &["nowhere"]);
    let (code, text) = refused(&missing, &|p| p.container_id.clear());
    assert_eq!(code, 999);
    assert!(
        text.starts_with("failed to find plugin \"nowhere\" in path ["),
        "{text}"
    );
    let (code, text) = refused(&plain, &|p| p.container_id.clear());
    assert_eq!((code, text.as_str()), (3, "missing containerID"));
    let (code, text) = refused(&plain, &|p| p.container_id = "%".into());
    assert_eq!(
        (code, text.as_str()),
        (4, "invalid characters in containerID; %")
    );
    let unnamed = list(&json!({"name": "", "plugins": [{"type": "one"}]}));
    assert_eq!(refused(&unnamed, &|_| {}).0, 7);
    let (code, text) = refused(&plain, &|p| p.ifname.clear());
    assert_eq!((code, text.as_str()), (4, "interface name is empty"));
    assert_eq!(refused(&plain, &|p| p.ifname = "a/b".into()).0, 4);
    assert_eq!(fake.calls(), []);
}

#[test]
fn an_answer_that_is_no_result_is_an_error() {
    let fake = FakePlugins::new();
    let text = |body: &str, version: &str| {
        fake.plugin("one", body);
        let network = network(version, &["one"]);
        fake.runtime
            .add(&network, &parameters())
            .unwrap_err()
            .to_string()
    };
    assert!(text("", "1.0.0").contains("failed to unmarshal raw result: "));
    assert!(
        text("echo '{\"cniVersion\": \"9.9.9\"}'", "1.0.0").contains("result version \"9.9.9\"")
    );
    assert!(text("echo '{}'", "1.2.3").contains("result version \"1.2.3\""));
    fake.plugin("one", "echo '{\"cniVersion\": \"1.1.0\"}'");
    assert!(
        fake.runtime
            .add(&network("1.2.3", &["one"]), &parameters())
            .is_ok()
    );
}

#[test]
fn a_network_that_cannot_be_remembered_counts_as_failed() {
    let fake = FakePlugins::new();
    symlink("/dev/null", fake.path("cache")).unwrap();
    let network = network("1.0.0", &["one", "two"]);
    let failed = fake.runtime.add(&network, &parameters()).unwrap_err();
    let text = failed.to_string();
    assert!(
        text.starts_with("failed to set network \"net\" cached result: writing "),
        "{text}"
    );
    assert_eq!(failed.started, 2);
    assert_eq!(
        failed.result.unwrap().to_value().unwrap()["ips"][0]["address"],
        "10.0.0.2/24"
    );
}

#[test]
fn a_plugin_of_its_own_is_a_network_too() {
    let fake = FakePlugins::new();
    let text = br#"{ "name": "net", "cniVersion": "0.4.0", "type": "one" }"#;
    let plugin = PluginConfig::from_bytes(text).unwrap();
    fake.plugin("one", "[ $CNI_COMMAND != ADD ] || echo '{}'");
    let network = NetworkList::from_plugin(&plugin).unwrap();
    fake.runtime.add(&network, &parameters()).unwrap();
    let Some(Cached::Entry(entry)) = fake
        .runtime
        .cache()
        .load("net", &parameters().attachment())
        .unwrap()
    else {
        panic!()
    };
    assert_eq!(entry.config, network.bytes());
    assert!(
        fake.runtime
            .cached_result(&network, &parameters())
            .unwrap()
            .is_some()
    );
    fake.runtime.check(&network, &parameters()).unwrap();
    fake.runtime.del(&network, &parameters()).unwrap();
    let with_result =
        |(_, _, request): &(String, String, Value)| request.get("prevResult").is_some();
    let calls = fake.calls();
    let prev: Vec<bool> = calls.iter().map(with_result).collect();
    assert_eq!(prev, [false, true, true]);
    assert!(!fake.cached().exists());
}

#[test]
fn time_limits_hold_for_every_verb() {
    let fake = FakePlugins::new();
    fake.plugin("one", "sleep 60");
    let runtime: Runtime = fake
        .runtime
        .clone()
        .with_time_limit(Some(Duration::from_millis(50)));
    let network = network("1.1.0", &["one"]);
    let texts = [
        runtime
            .add(&network, &parameters())
            .unwrap_err()
            .to_string(),
        runtime
            .check(&network, &parameters())
            .unwrap_err()
            .to_string(),
        runtime
            .del(&network, &parameters())
            .unwrap_err()
            .to_string(),
        runtime.gc(&network, &[]).unwrap_err().to_string(),
        runtime.status(&network).unwrap_err().to_string(),
        runtime.validate(&network).unwrap_err().to_string(),
    ];
    for text in texts {
        assert!(
            text.ends_with("did not finish within 50ms and was killed"),
            "{text}"
        );
    }
}
