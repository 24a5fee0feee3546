//! A container with two uplinks, the second of which `sbr` is about.

use ferrule_testkit::{Call, Host};
use ferrule_tests::{TARGETS, Uplinks, with_keys, with_prev_result};
use serde_json::{Value, json};

/// The container's addresses on `net1`.
pub(crate) const ADDRESSES: [&str; 2] = ["10.0.1.5", "fd00:1::5"];
/// The container's addresses on `eth0`.
const OTHERS: [&str; 2] = ["10.0.0.5", "fd00:0::5"];

/// A container with two uplinks, and calls about the second.
pub(crate) struct Node<'h>(Uplinks<'h>);

impl<'h> std::ops::Deref for Node<'h> {
    type Target = Uplinks<'h>;

    fn deref(&self) -> &Uplinks<'h> {
        &self.0
    }
}

impl<'h> Node<'h> {
    pub(crate) fn new(host: &'h Host) -> Self {
        Self(Uplinks::new(host))
    }

    /// The previous result.
    pub(crate) fn result(&self) -> Value {
        let path = self.container.path();
        json!({
            "cniVersion": "1.1.0",
            "interfaces": [
                { "name": "net1" },
                { "name": "net1", "sandbox": path },
                { "name": "eth0", "sandbox": path },
            ],
            "ips": [
                { "address": "10.0.1.5/24", "gateway": "10.0.1.1", "interface": 1 },
                { "address": "fd00:1::5/64", "gateway": "fd00:1::1", "interface": 1 },
                { "address": "10.0.0.5/24", "gateway": "10.0.0.1", "interface": 2 },
                { "address": "10.0.0.5/24", "gateway": "10.0.0.1", "interface": 0 },
            ],
        })
    }

    /// The previous result with these addresses on `net1` only.
    pub(crate) fn result_with(&self, ips: Value) -> Value {
        let mut result = self.result();
        result["ips"] = ips;
        result
    }

    pub(crate) fn config(keys: &Value) -> Value {
        with_keys(
            json!({ "cniVersion": "1.1.0", "name": "net", "type": "sbr" }),
            keys,
        )
    }

    /// A call about `net1`, with [`Self::result`] unless the keys have another.
    pub(crate) fn call(&self, keys: &Value) -> Call {
        let config = Self::config(keys);
        let config = match keys.get("prevResult") {
            Some(_) => config,
            None => with_prev_result(&config, &self.result()),
        };
        self.about_net1(self.host.plugin("sbr"), &config)
    }

    /// As [`Self::call`], of the Go plugin. It requires a version in the previous result, and
    /// refuses one newer than its own.
    pub(crate) fn peer_call(&self, keys: &Value) -> Call {
        let mut result = self.result();
        result["cniVersion"] = "1.0.0".into();
        // It confuses the host's interface of that name with the container's.
        result["ips"].as_array_mut().unwrap().truncate(3);
        let mut config = with_prev_result(&Self::config(keys), &result);
        config["cniVersion"] = "1.0.0".into();
        self.about_net1(self.host.peer_plugin("sbr"), &config)
    }

    /// A call without a previous result.
    pub(crate) fn call_without_result(&self) -> Call {
        self.about_net1(self.host.plugin("sbr"), &Self::config(&json!({})))
    }

    /// Whether packets from all addresses of `net1` leave by it.
    pub(crate) fn is_separated(&self) -> bool {
        let mut ways = ADDRESSES.iter().zip(TARGETS);
        ways.all(|(source, target)| self.is_answered(source, target))
    }

    /// Packets from the addresses of `eth0` leave by it.
    #[track_caller]
    pub(crate) fn assert_eth0_untouched(&self) {
        for (source, target) in OTHERS.iter().zip(TARGETS) {
            assert!(self.is_answered(source, target), "{source}");
        }
    }

    /// The rules of both families for single addresses, as `ip` prints them.
    pub(crate) fn rules(&self) -> Vec<String> {
        let both = self.container.ip("rule show") + &self.container.ip("-6 rule show");
        let ours = both.lines().filter(|line| !line.contains("from all"));
        ours.map(|line| {
            line.split_whitespace()
                .skip(1)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
    }

    /// The routes of both families in a table, out of `net1`, without the kernel's link-local ones.
    pub(crate) fn routes(&self, table: u32) -> Vec<String> {
        self.0.routes(&format!("table {table}"))
    }
}
