//! The plugin `host-device`: black-box tests.

mod garbage;
mod hardware;
mod killed;
mod moving;
mod parallel;
mod peers;
mod refusals;
mod returning;
mod selecting;
mod status;

use ferrule_testkit::{Container, Host, Snapshot};
use ferrule_tests::{Network, Wire};
use serde_json::json;

/// Containers that get the host's `wire0`.
fn on_wire() -> Network {
    Network::on_wire("host-device").with(json!({ "master": null, "device": "wire0" }))
}

/// A wire whose end on the host is like a returned device: down, without addresses.
fn idle_wire(host: &Host) -> Wire {
    let wire = Wire::new(host);
    let path = host.path().display().to_string();
    host.ip("link set wire0 netns far");
    wire.far.ip(["link", "set", "wire0", "netns", &path]);
    wire
}

/// The host without the address plugin's store, and without what the command `mount` leaves.
fn state(host: &Host) -> Snapshot {
    host.snapshot().ignoring(&["/var/lib/cni", "/run/mount"])
}

/// The address of the peer on the wire.
const GATEWAYS: [&str; 2] = ["10.1.2.1", "fd00:1:2::1"];

/// Whether the container reaches the peer on the wire.
fn reaches_far_end(container: &Container) -> bool {
    GATEWAYS.iter().all(|gateway| container.ping(gateway))
}
