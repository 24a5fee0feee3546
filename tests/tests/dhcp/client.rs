//! A container that leases an address, the plugin being called by itself.

use ferrule_testkit::{Call, Container, Outcome};
use ferrule_tests::dhcp::Segment;
use ferrule_tests::with_prev_result;
use serde_json::{Value, json};

/// A configuration whose `ipam` has these keys.
pub(crate) fn config(version: &str, keys: &Value) -> Value {
    let mut ipam = json!({ "type": "dhcp" });
    for (key, value) in keys.as_object().into_iter().flatten() {
        ipam[key] = value.clone();
    }
    json!({ "cniVersion": version, "name": "net", "type": "bridge", "ipam": ipam })
}

/// The configuration most tests use.
pub(crate) fn plain() -> Value {
    config("1.1.0", &json!({}))
}

/// A container on the segment and the calls about its `eth0`.
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) container: Container,
    pub(crate) config: Value,
    pub(crate) call: Call,
}

impl Client {
    /// Of our plugin.
    pub(crate) fn new(segment: &Segment, name: &str, config: &Value) -> Self {
        Self::of(segment, segment.host.plugin("dhcp"), name, config)
    }

    /// Of Debian's Go plugin.
    pub(crate) fn peer(segment: &Segment, name: &str, config: &Value) -> Self {
        Self::of(segment, segment.host.peer_plugin("dhcp"), name, config)
    }

    fn of(segment: &Segment, call: Call, name: &str, config: &Value) -> Self {
        let container = segment.container(name);
        let call = call
            .container(name)
            .netns(&container)
            .ifname("eth0")
            .config(config);
        Self {
            name: name.to_owned(),
            container,
            config: config.clone(),
            call,
        }
    }

    /// ADD, which must succeed. Returns the result.
    #[track_caller]
    pub(crate) fn add(&self) -> Value {
        self.call.add().succeeds().json()
    }

    /// ADD, which must succeed. Returns the address without prefix length.
    #[track_caller]
    pub(crate) fn lease(&self) -> String {
        address(&self.add())
    }

    /// ADD, and what the plugin that delegates does with the result: the address on the interface.
    #[track_caller]
    pub(crate) fn attach(&self) -> String {
        let result = self.add();
        for entry in result["ips"].as_array().into_iter().flatten() {
            let with_length = entry["address"].as_str().unwrap();
            let nodad = if with_length.contains(':') {
                "nodad"
            } else {
                ""
            };
            self.container
                .ip(format!("address add {with_length} dev eth0 {nodad}"));
        }
        address(&result)
    }

    /// The call with a result of ADD in its configuration, as CHECK and DEL get it.
    pub(crate) fn with_result(&self, result: &Value) -> Call {
        self.call
            .clone()
            .config(with_prev_result(&self.config, result))
    }

    /// CHECK with a result of ADD.
    #[track_caller]
    pub(crate) fn check(&self, result: &Value) -> Outcome {
        self.with_result(result).check()
    }

    /// The IPv4 addresses of `eth0`, with prefix lengths.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.container.addresses("eth0")
    }
}

/// The first address of a result, without prefix length.
#[track_caller]
pub(crate) fn address(result: &Value) -> String {
    // Versions before 0.3.0 have another shape.
    let text = result["ips"][0]["address"]
        .as_str()
        .or(result["ip4"]["ip"].as_str());
    let text = text.unwrap_or_else(|| panic!("no address in {result}"));
    text.split('/').next().unwrap().to_owned()
}

/// Containers `c0`, `c1`, … with a configuration of their own.
pub(crate) fn clients(segment: &Segment, count: usize, config: &Value) -> Vec<Client> {
    let name = |number| format!("c{number}");
    (0..count)
        .map(|number| Client::new(segment, &name(number), config))
        .collect()
}
