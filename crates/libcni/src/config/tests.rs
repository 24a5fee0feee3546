use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// A folder with the given files; a name with a slash makes a folder too.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn find(folder: &Path, name: &str) -> Result<Found, ConfigError> {
    ConfigFolder::new(folder).network(name)
}

fn kinds(network: &NetworkList) -> Vec<&str> {
    network.plugins().iter().map(PluginConfig::kind).collect()
}

fn read(list: &Value) -> Result<NetworkList, String> {
    NetworkList::from_bytes(list.to_string().as_bytes()).map_err(|error| error.to_string())
}

fn versions(single: Option<&str>, offered: &Value) -> Result<String, String> {
    let mut list = json!({"name": "n", "cniVersions": offered, "plugins": [{"type": "t"}]});
    if let Some(single) = single {
        list["cniVersion"] = single.into();
    }
    read(&list).map(|network| network.version().to_owned())
}

#[test]
fn lists_come_before_single_plugins() {
    let folder = folder(&[
        (
            "10-a.conf",
            r#"{"name": "a", "type": "single", "cniVersion": "0.3.1", "x": {"b": 1, "a": 2}}"#,
        ),
        ("20-b.json", r#"{"name": "b", "type": "json"}"#),
        (
            "30-a.conflist",
            r#"{"name": "a", "plugins": [{"type": "list"}]}"#,
        ),
        (
            "40-c.conflist",
            r#"{"name": "c", "plugins": [{"type": "first"}]}"#,
        ),
        (
            "50-c.conflist",
            r#"{"name": "c", "plugins": [{"type": "second"}]}"#,
        ),
        (
            "60-d.CONFLIST",
            r#"{"name": "d", "plugins": [{"type": "upper"}]}"#,
        ),
        ("sub/e.conf", r#"{"name": "e", "type": "nested"}"#),
    ]);
    let of = |name: &str| kinds(&find(folder.path(), name).unwrap().network).join(" ");
    assert_eq!(
        (of("a"), of("b"), of("c")),
        ("list".into(), "json".into(), "first".into())
    );
    let path = folder.path().display();
    for missing in ["d", "e"] {
        assert_eq!(
            find(folder.path(), missing).unwrap_err().to_string(),
            format!("no net configuration with name \"{missing}\" in {path}")
        );
    }
    let names = ConfigFolder::new(folder.path()).names().unwrap();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    fs::remove_file(folder.path().join("30-a.conflist")).unwrap();
    let single = find(folder.path(), "a").unwrap().network;
    assert_eq!(
        String::from_utf8_lossy(single.bytes()),
        r#"{"cniVersion":"0.3.1","name":"a","plugins":[{"cniVersion":"0.3.1","name":"a","type":"single","x":{"a":2,"b":1}}]}"#
    );
    assert_eq!(single.version(), "0.3.1");
}

#[test]
fn a_missing_or_empty_folder_has_no_networks() {
    let empty = folder(&[("README", "")]);
    for path in [empty.path(), Path::new("/nowhere/net.d")] {
        assert_eq!(
            find(path, "x").unwrap_err().to_string(),
            format!("no net configurations found in {}", path.display())
        );
    }
    let file = empty.path().join("README");
    let text = find(&file, "x").unwrap_err().to_string();
    assert_eq!(
        text,
        format!("error reading {}: not a directory", file.display())
    );
}

#[test]
fn a_broken_file_does_not_hide_other_networks() {
    let folder = folder(&[
        ("10-broken.conflist", "{"),
        ("20-other.conflist", r#"{"name": "other", "plugins": [{}]}"#),
        ("25-broken.conf", r#"{"name": "x"}"#),
        ("30-good.conf", r#"{"name": "good", "type": "t"}"#),
    ]);
    let found = find(folder.path(), "good").unwrap();
    assert_eq!(kinds(&found.network), ["t"]);
    assert_eq!(found.skipped.len(), 3);
    let at = |name: &str| folder.path().join(name).display().to_string();
    assert_eq!(
        find(folder.path(), "other").unwrap_err().to_string(),
        format!(
            "{}: error parsing configuration list: failed to parse plugin config 0: error parsing configuration: missing 'type'",
            at("20-other.conflist")
        )
    );
    assert_eq!(
        find(folder.path(), "x").unwrap_err().to_string(),
        format!(
            "{}: error parsing configuration: missing 'type'",
            at("25-broken.conf")
        )
    );
    let missing = find(folder.path(), "missing").unwrap_err().to_string();
    assert!(missing.contains(&at("10-broken.conflist")), "{missing}");
}

#[test]
fn plugins_beside_the_list_come_last() {
    let inlined = r#""plugins": [{"type": "inlined"}]"#;
    let only = r#""loadOnlyInlinedPlugins": "True""#;
    let folder = folder(&[
        ("a.conflist", &format!(r#"{{"name": "both", {inlined}}}"#)),
        (
            "b.conflist",
            r#"{"name": "beside", "loadOnlyInlinedPlugins": false}"#,
        ),
        (
            "c.conflist",
            &format!(r#"{{"name": "only", {only}, {inlined}}}"#),
        ),
        ("d.conflist", &format!(r#"{{"name": "nothing", {only}}}"#)),
        ("e.conflist", r#"{"name": "empty"}"#),
        (
            "f.conflist",
            &format!(r#"{{"name": "../both", {inlined}}}"#),
        ),
        ("g.conflist", &format!(r#"{{"name": "broken", {inlined}}}"#)),
        ("both/20.conf", r#"{"type": "second"}"#),
        ("both/10.conf", r#"{"type": "first"}"#),
        ("both/30.conflist", "ignored"),
        ("beside/1.conf", r#"{"type": "first"}"#),
        ("only/1.conf", r#"{"type": "first"}"#),
        ("broken/1.conf", r#"{"name": "no type"}"#),
    ]);
    let of = |name: &str| {
        let found = find(folder.path(), name).map_err(|error| error.to_string())?;
        Ok::<_, String>(kinds(&found.network).join(" "))
    };
    assert_eq!(of("both").unwrap(), "inlined first second");
    assert_eq!(of("beside").unwrap(), "first");
    assert_eq!(of("only").unwrap(), "inlined");
    assert_eq!(of("../both").unwrap(), "inlined");
    assert!(of("nothing").unwrap_err().contains("no key \"plugins\""));
    assert!(
        of("empty")
            .unwrap_err()
            .ends_with("e.conflist: no plugin configs found")
    );
    assert!(of("broken").unwrap_err().ends_with("missing 'type'"));
}

#[test]
fn keys_of_the_list_have_their_types() {
    let with = |key: &str, value: Value| {
        let mut list = json!({"name": "n", "plugins": [{"type": "t"}]});
        list[key] = value;
        read(&list)
    };
    let wrong = |key: &str, value: Value| {
        let text = with(key, value).unwrap_err();
        text.strip_prefix("error parsing configuration list: ")
            .unwrap()
            .to_owned()
    };
    assert_eq!(wrong("name", json!(1)), "key \"name\" is not a string");
    assert_eq!(
        wrong("cniVersion", json!(1)),
        "key \"cniVersion\" is not a string"
    );
    assert_eq!(
        wrong("disableCheck", json!("yes")),
        "key \"disableCheck\" is not true or false"
    );
    assert_eq!(
        wrong("disableGC", json!(1)),
        "key \"disableGC\" is not true or false"
    );
    assert_eq!(
        wrong("loadOnlyInlinedPlugins", json!([])),
        "key \"loadOnlyInlinedPlugins\" is not true or false"
    );
    assert_eq!(
        wrong("plugins", json!({})),
        "key \"plugins\" is not a list of objects"
    );
    assert_eq!(wrong("plugins", json!([])), "no plugins in list");
    assert!(
        wrong("plugins", json!([{"type": "t"}, 1]))
            .starts_with("failed to parse plugin config 1: ")
    );
    assert!(with("disableCheck", json!("TRUE")).unwrap().disable_check());
    assert!(
        !with("disableCheck", json!("False"))
            .unwrap()
            .disable_check()
    );
    assert!(!with("disablecheck", json!(true)).unwrap().disable_check());
    assert!(with("disableGC", json!(true)).unwrap().disable_gc());
    assert_eq!(
        read(&json!({"plugins": []})).unwrap_err(),
        "error parsing configuration list: no name"
    );
    assert_eq!(read(&json!({"name": ""})).unwrap().plugins(), []);
    for bad in ["", "[]", "{", "null"] {
        let text = NetworkList::from_bytes(bad.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(
            text.starts_with("error parsing configuration list: "),
            "{text}"
        );
    }
}

#[test]
fn the_highest_known_version_is_chosen() {
    let offered = json!(["0.4.0", "1.0.0", "0.3.1", "1.2.0"]);
    assert_eq!(versions(None, &offered).unwrap(), "1.0.0");
    assert_eq!(versions(Some("1.1.0"), &offered).unwrap(), "1.1.0");
    assert_eq!(versions(Some("9.0.0"), &offered).unwrap(), "1.0.0");
    assert_eq!(versions(Some("9.0.0"), &json!(["8.0.0"])).unwrap(), "9.0.0");
    assert_eq!(versions(Some("0.3.0"), &json!([])).unwrap(), "0.3.0");
    assert!(
        versions(None, &json!(["1.x"]))
            .unwrap_err()
            .contains("failed to parse version \"1.x\"")
    );
    assert!(
        versions(None, &json!([1]))
            .unwrap_err()
            .contains("not a list of strings")
    );
    assert!(versions(None, &json!("1.0.0")).is_err());
    let any = read(&json!({"name": "n", "cniVersion": "1.2.x"})).unwrap();
    assert_eq!(any.version(), "1.2.x");
}

#[test]
fn a_plugins_keys_are_read_in_any_case() {
    let text = br#"{"TYPE": "t", "Name": "n", "cniversion": "1.0.0", "IPAM": {"Type": "static"},
        "Capabilities": {"b": true, "a": true, "off": false}, "DNS": {"Nameservers": ["1.1.1.1"]}}"#;
    let plugin = PluginConfig::from_bytes(text).unwrap();
    assert_eq!(
        (plugin.kind(), plugin.name(), plugin.version()),
        ("t", "n", "1.0.0")
    );
    assert_eq!(plugin.ipam(), "static");
    assert_eq!(
        plugin.capabilities().into_iter().collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(plugin.bytes(), text);
    for bad in [
        r#"{"type": "t", "capabilities": {"a": "true"}}"#,
        r#"{"type": "t", "dns": []}"#,
        r#"{"type": 1}"#,
        r#"{"type": ""}"#,
        "[]",
        "null",
        "{",
    ] {
        let text = PluginConfig::from_bytes(bad.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(text.starts_with("error parsing configuration: "), "{text}");
    }
}
