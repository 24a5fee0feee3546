//! The portmap plugin, seen from outside and judged by packets.

mod check;
mod interop;
mod interop_nft;
mod kills;
mod lifecycle;
mod node;
mod overtaken;
mod owners;
mod packets;
mod parallel;
mod refusals;
mod sctp;
mod sources;
mod udp;

/// Every form in which mappings are kept; iptables in both variants.
const FORMS: &[&str] = &["iptables", "iptables-legacy", "nftables", "maps"];

/// The forms, each behind a bridge and behind a pair of its own.
const CASES: &[&str] = &[
    "bridge iptables",
    "bridge iptables-legacy",
    "bridge nftables",
    "bridge maps",
    "ptp iptables",
    "ptp iptables-legacy",
    "ptp nftables",
    "ptp maps",
];
