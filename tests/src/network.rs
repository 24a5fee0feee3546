//! A network configuration and calls with it.

use ferrule_testkit::{Call, Host};
use serde_json::{Value, json};

use crate::Attachment;

/// A network of one plugin with addresses of `host-local`: IPv4 and IPv6, with a default route each.
/// [`Network::with`] changes it.
#[derive(Debug, Clone)]
pub struct Network {
    plugin: &'static str,
    /// The configuration on standard input.
    pub config: Value,
}

impl Network {
    /// Containers on the bridge `cni0`, which is their gateway.
    pub fn bridge() -> Self {
        Self::new("bridge", json!({ "bridge": "cni0", "isGateway": true }))
    }

    /// Containers routed through a veth pair each.
    pub fn ptp() -> Self {
        Self::new("ptp", json!({}))
    }

    /// The network of the plugin `bridge` or `ptp`, for tests of both.
    ///
    /// # Panics
    /// For other plugins.
    pub fn of(plugin: &str) -> Self {
        match plugin {
            "bridge" => Self::bridge(),
            "ptp" => Self::ptp(),
            other => panic!("no network of plugin {other}"),
        }
    }

    pub(crate) fn new(plugin: &'static str, keys: Value) -> Self {
        let config = json!({
            "cniVersion": "1.1.0", "name": "net", "type": plugin,
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": "10.1.2.0/24" }], [{ "subnet": "fd00:1:2::/64" }]],
                "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
            },
        });
        Self { plugin, config }.with(keys)
    }

    /// The same with these keys set; null removes a key.
    ///
    /// # Panics
    /// If `keys` is not an object.
    #[must_use]
    pub fn with(mut self, keys: Value) -> Self {
        let Value::Object(keys) = keys else {
            panic!("keys are an object")
        };
        for (key, value) in keys {
            if value.is_null() {
                self.config.as_object_mut().unwrap().remove(&key);
            } else {
                self.config[key] = value;
            }
        }
        self
    }

    /// The same in another version of the specification.
    #[must_use]
    pub fn version(self, version: &str) -> Self {
        self.with(json!({ "cniVersion": version }))
    }

    /// The same without an address plugin.
    #[must_use]
    pub fn without_ipam(self) -> Self {
        self.with(json!({ "ipam": null }))
    }

    /// The same with these addresses, by the plugin `static`.
    #[must_use]
    pub fn with_addresses(self, addresses: &[&str]) -> Self {
        let list: Vec<Value> = addresses
            .iter()
            .map(|address| json!({ "address": address }))
            .collect();
        self.with(json!({ "ipam": { "type": "static", "addresses": list } }))
    }

    /// A call of our plugin for the interface `eth0` of a container, which need not exist.
    pub fn call(&self, host: &Host, container: &str) -> Call {
        self.prepare(host.plugin(self.plugin), container)
    }

    /// As [`Self::call`], of the Go plugin.
    pub fn peer_call(&self, host: &Host, container: &str) -> Call {
        self.prepare(host.peer_plugin(self.plugin), container)
    }

    fn prepare(&self, call: Call, container: &str) -> Call {
        call.container(container)
            .netns(format!("/run/netns/{container}"))
            .ifname("eth0")
            .config(&self.config)
    }

    /// Creates a container and attaches it.
    #[track_caller]
    pub fn attach(&self, host: &Host, container: &str) -> Attachment {
        let namespace = host.netns(container);
        let call = self.call(host, container);
        let result = call.add().succeeds().json();
        Attachment {
            container: namespace,
            call,
            config: self.config.clone(),
            result,
        }
    }
}

/// The configuration with these keys set; a key that is null stays in it.
///
/// # Panics
/// If `keys` is not an object.
#[must_use]
pub fn with_keys(mut config: Value, keys: &Value) -> Value {
    for (key, value) in keys.as_object().expect("keys are an object") {
        config[key] = value.clone();
    }
    config
}

/// The configuration of CHECK and DEL: with the result of ADD as `prevResult`.
#[must_use]
pub fn with_prev_result(config: &Value, result: &Value) -> Value {
    let mut config = config.clone();
    config["prevResult"] = result.clone();
    config
}
