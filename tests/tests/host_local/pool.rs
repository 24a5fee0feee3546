//! A network of `host-local` only, its calls and its files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ferrule_testkit::{Call, Host};
use serde_json::{Value, json};

/// The data folder unless the configuration names another one.
const DATA_DIR: &str = "/var/lib/cni/networks";

/// The configuration of a network on one host.
#[derive(Clone)]
pub(crate) struct Pool<'h> {
    host: &'h Host,
    pub(crate) config: Value,
}

impl<'h> Pool<'h> {
    /// The network `net` with this `ipam`.
    pub(crate) fn new(host: &'h Host, mut ipam: Value) -> Self {
        ipam["type"] = json!("host-local");
        let config =
            json!({ "cniVersion": "1.1.0", "name": "net", "type": "bridge", "ipam": ipam });
        Self { host, config }
    }

    /// One IPv4 subnet.
    pub(crate) fn of_subnet(host: &'h Host, subnet: &str) -> Self {
        Self::new(host, json!({ "subnet": subnet }))
    }

    /// The same with this member of `ipam` replaced.
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    /// The same with another data folder.
    pub(crate) fn in_folder(mut self, data_dir: &str) -> Self {
        self.config["ipam"]["dataDir"] = json!(data_dir);
        self
    }

    /// A call of our plugin, for `eth0` of a container.
    pub(crate) fn ours(&self, container: &str) -> Call {
        self.prepare(self.host.plugin("host-local"), container)
    }

    /// A call of the Go plugin, for `eth0` of a container.
    pub(crate) fn peer(&self, container: &str) -> Call {
        self.prepare(self.host.peer_plugin("host-local"), container)
    }

    fn prepare(&self, call: Call, container: &str) -> Call {
        call.container(container)
            .netns("/run/netns/none")
            .ifname("eth0")
            .config(&self.config)
    }

    /// Runs ADD of our plugin and returns the addresses.
    #[track_caller]
    pub(crate) fn add(&self, container: &str) -> Vec<String> {
        addresses(&self.ours(container).add().succeeds().json())
    }

    /// The folder of the network's files.
    pub(crate) fn folder(&self) -> PathBuf {
        let data_dir = self.config["ipam"]["dataDir"].as_str();
        let name = self.config["name"].as_str().unwrap();
        Path::new(data_dir.unwrap_or(DATA_DIR)).join(name)
    }

    /// The file of the index.
    pub(crate) fn index(&self) -> PathBuf {
        let folder = fs::metadata(self.folder()).unwrap();
        let name = format!("{:x}-{:x}", folder.dev(), folder.ino());
        Path::new("/run/cni/host-local").join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::create_dir_all(self.folder()).unwrap();
        fs::write(self.folder().join(name), content).unwrap();
    }

    /// Every file of the network with its content; empty if there is no folder.
    pub(crate) fn files(&self) -> BTreeMap<String, String> {
        let Ok(entries) = fs::read_dir(self.folder()) else {
            return BTreeMap::new();
        };
        entries
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, fs::read_to_string(path).unwrap())
            })
            .collect()
    }

    /// The files whose names are addresses, with their content.
    pub(crate) fn reservations(&self) -> BTreeMap<String, String> {
        let mut files = self.files();
        files.retain(|name, _| name.parse::<std::net::IpAddr>().is_ok());
        files
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        let metadata = fs::metadata(self.folder().join(name)).unwrap();
        metadata.mode() & 0o7777
    }
}

/// The addresses of a result of any version, without prefix lengths.
pub(crate) fn addresses(result: &Value) -> Vec<String> {
    let text = |value: &Value| {
        let text = value.as_str()?;
        Some(text.split('/').next()?.to_owned())
    };
    let list = result["ips"].as_array().into_iter().flatten();
    let old = [&result["ip4"]["ip"], &result["ip6"]["ip"]];
    list.map(|ip| &ip["address"])
        .chain(old)
        .filter_map(text)
        .collect()
}

/// The content of the reservation file of a container's `eth0`.
pub(crate) fn content(container: &str) -> String {
    format!("{container}\r\neth0")
}
