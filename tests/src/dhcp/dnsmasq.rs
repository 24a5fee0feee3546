//! dnsmasq as a DHCP server.

use std::path::Path;

use crate::dhcp::{Pool, ServerLease};

/// Logged once it listens.
pub(crate) const STARTED: &str = "DHCP, sockets bound";

pub(crate) fn command(folder: &Path, pool: &Pool) -> Vec<String> {
    let [first, last, own] = pool.ends();
    let length = if pool.ipv6 { ",64" } else { "" };
    let folder = folder.display();
    let mut words: Vec<String> = [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--user=root",
        "--port=0",
        "--log-facility=-",
        "--log-dhcp",
        "--no-ping",
        "--dhcp-authoritative",
        "--interface=eth0",
        "--bind-interfaces",
    ]
    .map(str::to_owned)
    .into();
    words.push(format!("--dhcp-leasefile={folder}/leases"));
    words.push("--pid-file=".to_owned());
    words.push(format!(
        "--dhcp-range={first},{last}{length},{}",
        pool.seconds
    ));
    if !pool.ipv6 {
        words.push(format!("--dhcp-option=option:router,{own}"));
    }
    words.extend(pool.extra.iter().cloned());
    words
}

/// One line per lease: expiry, MAC (or IAID), address, host name, client identifier (or DUID).
pub(crate) fn leases(text: &str) -> Vec<ServerLease> {
    let lease = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let address = fields.get(2)?.parse().ok()?;
        let client = fields.get(4)?.replace(':', "");
        Some(ServerLease { address, client })
    };
    text.lines().filter_map(lease).collect()
}
