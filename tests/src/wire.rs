//! A link of the host that serves as master, with a peer at its other end.

use ferrule_testkit::{Container, Host};

use crate::Network;

/// A veth pair from `wire0` on the host to `wire1` in a separate namespace, which has the gateway
/// addresses of [`Network`]s.
#[derive(Debug)]
pub struct Wire {
    /// The namespace of the far end.
    pub far: Container,
}

impl Wire {
    /// Creates the pair, with the gateway addresses on `wire1`.
    pub fn new(host: &Host) -> Self {
        let wire = Self::without_addresses(host);
        wire.answer_on("wire1");
        wire
    }

    /// Creates the pair without addresses.
    pub fn without_addresses(host: &Host) -> Self {
        let far = host.netns("far");
        host.ip("link add wire0 type veth peer name wire1 netns far");
        host.ip("link set wire0 up");
        far.ip("link set wire1 up");
        Self { far }
    }

    /// Adds the gateway addresses to a link of the far end.
    pub fn answer_on(&self, link: &str) {
        self.far.ip(["address", "add", "10.1.2.1/24", "dev", link]);
        let ipv6 = ["address", "add", "fd00:1:2::1/64", "dev", link, "nodad"];
        self.far.ip(ipv6);
    }
}

impl Network {
    /// Containers with a link of this plugin on `wire0`.
    pub fn on_wire(plugin: &'static str) -> Self {
        Self::new(plugin, serde_json::json!({ "master": "wire0" }))
    }
}
