//! A cable for links that are put on a network interface of the host.

use ferrule_testkit::{Container, Host};

use crate::Network;

/// A cable from the host's interface `wire0` to `wire1` in a namespace of its own, which has the
/// gateway's addresses of [`Network`]s.
#[derive(Debug)]
pub struct Wire {
    /// What is at the far end.
    pub far: Container,
}

impl Wire {
    /// Lays the cable; the far end has the addresses on `wire1` itself.
    pub fn new(host: &Host) -> Self {
        let wire = Self::without_addresses(host);
        wire.answer_on("wire1");
        wire
    }

    /// Lays the cable without addresses at the far end.
    pub fn without_addresses(host: &Host) -> Self {
        let far = host.netns("far");
        host.ip("link add wire0 type veth peer name wire1 netns far");
        host.ip("link set wire0 up");
        far.ip("link set wire1 up");
        Self { far }
    }

    /// Gives a link of the far end the gateway's addresses.
    pub fn answer_on(&self, link: &str) {
        self.far.ip(["address", "add", "10.1.2.1/24", "dev", link]);
        let ipv6 = ["address", "add", "fd00:1:2::1/64", "dev", link, "nodad"];
        self.far.ip(ipv6);
    }
}

impl Network {
    /// Containers with a link of their own on `wire0`.
    pub fn on_wire(plugin: &'static str) -> Self {
        Self::new(plugin, serde_json::json!({ "master": "wire0" }))
    }
}
