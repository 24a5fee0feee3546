//! `bridge` and `ptp` from ADD to DEL: black-box tests of what they share.

mod check;
mod cost;
mod del;
mod failed_add;
mod gc;
mod guard;
mod input;
mod interoperation;
mod killed;
mod parallel;
mod parent_death;
mod removal;
mod status;
mod streams;
mod surroundings;
mod within;

use ferrule_testkit::{Host, Snapshot};

/// The addresses that `host-local` has reserved for the network `net`, sorted.
pub(crate) fn leases() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/var/lib/cni/networks/net") else {
        return Vec::new();
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut leases: Vec<_> = names
        .filter(|name| name.starts_with(|first: char| first.is_ascii_hexdigit()))
        .collect();
    leases.sort();
    leases
}

/// The host without the files of address plugins and without the bridge, which DEL leaves.
fn without_bridge(host: &Host) -> Snapshot {
    host.snapshot().ignoring(&["cni0", "/var/lib/cni"])
}
