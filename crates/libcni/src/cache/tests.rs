use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Map, json};
use tempfile::TempDir;

use super::*;

fn attachment(container_id: &str, ifname: &str) -> Attachment {
    Attachment {
        container_id: container_id.to_owned(),
        ifname: ifname.to_owned(),
    }
}

fn entry(network: &str, container_id: &str, ifname: &str) -> Entry {
    Entry {
        network: network.to_owned(),
        attachment: attachment(container_id, ifname),
        config: b"{}".to_vec(),
        netns: String::new(),
        args: Vec::new(),
        capability_args: Map::new(),
        result: None,
    }
}

#[test]
fn an_example_of_the_go_library_is_read() {
    let text = br#"{"kind":"cniCacheV1","containerId":"c1","config":"eyJuYW1lIjoibiJ9","ifName":"eth0","networkName":"n","netns":"/run/netns/b","cniArgs":[["IgnoreUnknown","1"]],"capabilityArgs":{"mac":"x"},"result":{"cniVersion":"1.0.0","ips":[{"address":"10.1.2.3/24"}]}}"#;
    let Ok(Cached::Entry(entry)) = Cached::read(text) else {
        panic!()
    };
    assert_eq!(entry.config, br#"{"name":"n"}"#);
    assert_eq!(entry.args, [("IgnoreUnknown".to_owned(), "1".to_owned())]);
    assert_eq!(entry.capability_args["mac"], json!("x"));
    assert_eq!(entry.to_json().as_bytes(), text);
}

#[test]
fn equal_file_names_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::new(folder.path());
    cache.store(&entry("a-b", "c", "eth0")).unwrap();
    let other = attachment("b-c", "eth0");
    assert_eq!(cache.load("a", &other).unwrap(), None);
    cache.remove("a", &other).unwrap();
    assert!(
        cache
            .load("a-b", &attachment("c", "eth0"))
            .unwrap()
            .is_some()
    );
    cache.remove("a-b", &attachment("c", "eth0")).unwrap();
    cache.remove("a-b", &attachment("c", "eth0")).unwrap();
    assert_eq!(cache.attachments(None).unwrap(), []);
}

#[test]
fn replacing_keeps_the_mode_and_leaves_nothing_aside() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::new(folder.path().join("deep/er"));
    for _ in 0..3 {
        cache.store(&entry("n", "c", "eth0")).unwrap();
    }
    let path = folder.path().join("deep/er/results/n-c-eth0");
    assert_eq!(
        fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        fs::read_dir(folder.path().join("deep/er")).unwrap().count(),
        1
    );
}

#[test]
fn names_cannot_lead_elsewhere() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::new(folder.path().join("cache"));
    for (network, container, interface) in [
        ("", "c", "i"),
        ("n", "", "i"),
        ("n", "c", ""),
        ("../n", "c", "i"),
    ] {
        let bad = attachment(container, interface);
        assert!(cache.load(network, &bad).is_err());
        assert!(cache.remove(network, &bad).is_err());
        assert!(cache.store(&entry(network, container, interface)).is_err());
    }
    assert!(!folder.path().join("cache").exists());
}

#[test]
fn a_file_in_the_way_is_reported() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("results"), "").unwrap();
    let cache = Cache::new(folder.path());
    let error = cache.store(&entry("n", "c", "i")).unwrap_err().to_string();
    assert!(
        error.starts_with("writing ") && error.contains("n-c-i: "),
        "{error}"
    );
    let error = cache.attachments(None).unwrap_err().to_string();
    assert!(error.ends_with("results: not a directory"), "{error}");
    assert_eq!(cache.load("n", &attachment("c", "i")).unwrap(), None);
}
