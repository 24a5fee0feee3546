//! `ipMasq` of `bridge` and `ptp`, and `macspoofchk` of `bridge`, tested with packets.

mod lifecycle;
mod packets;
mod spoofing;

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
