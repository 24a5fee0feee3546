//! Scripts in the role of plugins, and what they were asked.

mod add;
mod gc;
mod verbs;
mod versions;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Parameters, Runtime};
use crate::cache::Cache;
use crate::config::NetworkList;

struct FakePlugins {
    folder: TempDir,
    runtime: Runtime,
}

impl FakePlugins {
    /// Plugins `one`, `two` and `three`, which succeed and result ADD with an address of their own.
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let fake = Self {
            runtime: Runtime::new(bin).with_cache(Cache::new(folder.path().join("cache"))),
            folder,
        };
        for (name, number) in [("one", 1), ("two", 2), ("three", 3)] {
            let result =
                format!(r#"{{"cniVersion":"1.1.0","ips":[{{"address":"10.0.0.{number}/24"}}]}}"#);
            fake.plugin(name, &format!("[ $CNI_COMMAND != ADD ] || echo '{result}'"));
        }
        fake
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A plugin that records what it is asked and then does what `body` says.
    fn plugin(&self, name: &str, body: &str) {
        let path = self.path("bin").join(name);
        let log = self.path("log");
        let record = format!(
            r#"printf '%s %s %s\n' "$CNI_COMMAND" {name} "$(cat)" >> {}"#,
            log.display()
        );
        fs::write(&path, format!("#!/bin/sh\n{record}\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Verb, plugin and request of every call since the last look.
    fn calls(&self) -> Vec<(String, String, Value)> {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        let _ = fs::remove_file(self.path("log"));
        let call = |line: &str| {
            let mut parts = line.splitn(3, ' ').map(str::to_owned);
            let (verb, plugin) = (parts.next().unwrap(), parts.next().unwrap());
            let request = serde_json::from_str(&parts.next().unwrap()).unwrap_or_default();
            (verb, plugin, request)
        };
        log.lines().map(call).collect()
    }

    /// Verb and plugin of every call since the last look.
    fn order(&self) -> Vec<String> {
        let calls = self.calls().into_iter();
        calls
            .map(|(verb, plugin, _)| format!("{verb} {plugin}"))
            .collect()
    }

    fn cached(&self) -> PathBuf {
        self.path("cache/results/net-c1-eth0")
    }
}

fn network(version: &str, plugins: &[&str]) -> NetworkList {
    let plugins: Vec<Value> = plugins.iter().map(|kind| json!({ "type": kind })).collect();
    list(&json!({ "name": "net", "cniVersion": version, "plugins": plugins }))
}

fn list(value: &Value) -> NetworkList {
    NetworkList::from_bytes(value.to_string().as_bytes()).unwrap()
}

fn parameters() -> Parameters {
    Parameters {
        container_id: "c1".to_owned(),
        netns: "/run/netns/b".to_owned(),
        ifname: "eth0".to_owned(),
        ..Parameters::default()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
