//! A container with two uplinks, the second of which `vrf` is about.

use ferrule_testkit::{Call, Host};
use ferrule_tests::{Uplinks, with_keys, with_prev_result};
use serde_json::{Value, json};

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

    /// The previous result, with `net1`.
    pub(crate) fn result(&self) -> Value {
        json!({
            "cniVersion": "1.0.0",
            "interfaces": [{ "name": "net1", "sandbox": self.container.path() }],
            "ips": [
                { "address": "10.0.1.5/24", "gateway": "10.0.1.1", "interface": 0 },
                { "address": "fd00:1::5/64", "gateway": "fd00:1::1", "interface": 0 },
            ],
        })
    }

    pub(crate) fn config(&self, keys: &Value) -> Value {
        let config =
            json!({ "cniVersion": "1.0.0", "name": "net", "type": "vrf", "vrfname": "red" });
        let mut config = with_keys(config, keys);
        if keys.get("vrfName").is_some() {
            config.as_object_mut().unwrap().remove("vrfname");
        }
        match keys.get("prevResult") {
            Some(_) => config,
            None => with_prev_result(&config, &self.result()),
        }
    }

    /// A call for `net1` and the VRF `red`, unless the keys name another.
    pub(crate) fn call(&self, keys: &Value) -> Call {
        self.about_net1(self.host.plugin("vrf"), &self.config(keys))
    }

    /// As [`Self::call`], of the Go plugin.
    pub(crate) fn peer_call(&self, keys: &Value) -> Call {
        self.about_net1(self.host.peer_plugin("vrf"), &self.config(keys))
    }

    /// The unicast routes of both families in a table, out of `net1`, without the kernel's link-local
    /// ones. A VRF's table has local and broadcast routes as well.
    pub(crate) fn routes(&self, table: &str) -> Vec<String> {
        self.0.routes(&format!("table {table} type unicast"))
    }

    /// The table of a VRF.
    pub(crate) fn table(&self, vrf: &str) -> u64 {
        self.container.link(vrf)["linkinfo"]["info_data"]["table"]
            .as_u64()
            .unwrap()
    }

    /// The VRF that an interface is in.
    pub(crate) fn master(&self, name: &str) -> Option<String> {
        self.container.link(name)["master"]
            .as_str()
            .map(str::to_owned)
    }
}
