//! A container with two uplinks, the second of which `vrf` is about.

use std::ops::Deref;

use ferrule_testkit::{Call, Host};
use ferrule_tests::{Uplinks, with_prev_result};
use serde_json::{Value, json};

pub(crate) struct Node<'h> {
    pub(crate) host: &'h Host,
    uplinks: Uplinks,
}

impl Deref for Node<'_> {
    type Target = Uplinks;

    fn deref(&self) -> &Uplinks {
        &self.uplinks
    }
}

impl<'h> Node<'h> {
    pub(crate) fn new(host: &'h Host) -> Self {
        let uplinks = Uplinks::new(host);
        Self { host, uplinks }
    }

    /// What the plugins before have answered, about `net1`.
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
        let mut config =
            json!({ "cniVersion": "1.0.0", "name": "net", "type": "vrf", "vrfname": "red" });
        for (key, value) in keys.as_object().unwrap() {
            config[key] = value.clone();
        }
        if keys.get("vrfName").is_some() {
            config.as_object_mut().unwrap().remove("vrfname");
        }
        match keys.get("prevResult") {
            Some(_) => config,
            None => with_prev_result(&config, &self.result()),
        }
    }

    /// A call about `net1` and the VRF `red`, if the keys say nothing else.
    pub(crate) fn call(&self, keys: &Value) -> Call {
        self.prepare(self.host.plugin("vrf"), keys)
    }

    /// As [`Self::call`], of the Go plugin.
    pub(crate) fn peer_call(&self, keys: &Value) -> Call {
        self.prepare(self.host.peer_plugin("vrf"), keys)
    }

    fn prepare(&self, call: Call, keys: &Value) -> Call {
        let call = call.container("c1").netns(&self.container).ifname("net1");
        call.config(self.config(keys))
    }

    /// The routes of both families in a table, out of `net1`, without the kernel's link-local ones
    /// and those by which packets are delivered.
    pub(crate) fn routes(&self, table: &str) -> Vec<String> {
        // A table without routes is none at all.
        let show = |family: u8| {
            let words = format!("ip -{family} route show table {table} dev net1 type unicast");
            self.container.exec(words).stdout
        };
        let both = show(4) + &show(6);
        let ours = both.lines().filter(|line| !line.starts_with("fe80::/64"));
        ours.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
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
