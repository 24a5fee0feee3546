//! `ipMasq` of `bridge` and `ptp`, and `macspoofchk` of `bridge`, judged by packets.

mod lifecycle;
mod packets;
mod spoofing;

use ferrule_testkit::{Container, Host};
use ferrule_tests::Network;
use serde_json::json;

/// Every plugin that masquerades, with each packet filter.
const CASES: &[&str] = &[
    "bridge iptables",
    "bridge nftables",
    "ptp iptables",
    "ptp nftables",
];

/// The masquerading network of a case.
fn network(case: &str) -> Network {
    let (plugin, backend) = case.split_once(' ').unwrap();
    Network::of(plugin).with(json!({ "ipMasq": true, "ipMasqBackend": backend }))
}

/// A namespace beyond the host that knows no way to the containers. The host is 192.0.2.1 and
/// `2001:db8::1` there.
fn outside(host: &Host) -> Container {
    let outside = host.netns("outside");
    host.ip("link add wire type veth peer name eth0 netns outside");
    host.ip("link set wire up");
    host.ip("address add 192.0.2.1/24 dev wire");
    host.ip("address add 2001:db8::1/64 dev wire nodad");
    outside.ip("link set eth0 up");
    outside.ip("address add 192.0.2.9/24 dev eth0");
    outside.ip("address add 2001:db8::9/64 dev eth0 nodad");
    outside
}

ferrule_testkit::main!();
