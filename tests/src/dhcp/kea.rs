//! Kea.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::dhcp::server::copy_executable;
use crate::dhcp::{Pool, ServerLease};

/// Logged once it listens.
pub(crate) const STARTED: &str = "DHCP4_STARTED";
/// As [`STARTED`], for IPv6.
pub(crate) const STARTED_V6: &str = "DHCP6_STARTED";

pub(crate) fn command(folder: &Path, pool: &Pool) -> Vec<String> {
    let path = |name: &str| folder.join(name).display().to_string();
    let config = config(folder, pool).to_string();
    std::fs::write(folder.join("config"), config).expect("write a configuration");
    let name = if pool.ipv6 { "kea-dhcp6" } else { "kea-dhcp4" };
    let executable = copy_executable(name, folder);
    let folder = folder.display();
    vec![
        "env".to_owned(),
        format!("KEA_PIDFILE_DIR={folder}"),
        format!("KEA_LOCKFILE_DIR={folder}"),
        executable,
        "-c".to_owned(),
        path("config"),
    ]
}

fn config(folder: &Path, pool: &Pool) -> Value {
    let [first, last, own] = pool.ends();
    let seconds = pool.seconds;
    let ends = format!("{first} - {last}");
    let mut subnet = json!({ "id": 1, "pools": [{ "pool": ends }] });
    if pool.ipv6 {
        subnet["subnet"] = json!("fd00:9::/64");
        subnet["interface"] = json!("eth0");
    } else {
        subnet["subnet"] = json!("10.9.0.0/24");
        subnet["option-data"] = json!([{ "name": "routers", "data": own.to_string() }]);
    }
    for member in &pool.extra {
        let more: Value = serde_json::from_str(member).expect("members are an object");
        for (key, value) in more.as_object().into_iter().flatten() {
            subnet[key] = value.clone();
        }
    }
    let logger = if pool.ipv6 { "kea-dhcp6" } else { "kea-dhcp4" };
    let mut inner = json!({
        "interfaces-config": { "interfaces": ["eth0"] },
        "lease-database": {
            "type": "memfile", "persist": true, "lfc-interval": 0,
            "name": folder.join("leases"),
        },
        "valid-lifetime": seconds, "renew-timer": seconds / 2, "rebind-timer": seconds * 4 / 5,
        "loggers": [{
            "name": logger, "severity": "INFO",
            "output_options": [{ "output": "stdout" }],
        }],
    });
    if pool.ipv6 {
        inner["preferred-lifetime"] = json!(seconds);
        // Otherwise it writes one to its folder in /var/lib.
        inner["server-id"] = json!({
            "type": "EN", "enterprise-id": 2495, "persist": false,
            "identifier": format!("{:02x}", pool.server),
        });
        inner["subnet6"] = json!([subnet]);
        json!({ "Dhcp6": inner })
    } else {
        inner["calculate-tee-times"] = json!(false);
        inner["authoritative"] = json!(true);
        inner["subnet4"] = json!([subnet]);
        json!({ "Dhcp4": inner })
    }
}

/// The file is a log of lines, the last one about an address being true; one without a lifetime
/// takes the lease away.
pub(crate) fn leases(text: &str, ipv6: bool) -> Vec<ServerLease> {
    // address,hwaddr,client_id,valid_lifetime,… or address,duid,valid_lifetime,…
    let (client, lifetime) = if ipv6 { (1, 2) } else { (2, 3) };
    let mut held: BTreeMap<IpAddr, ServerLease> = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(',').collect();
        let Some(address) = fields.first().and_then(|text| text.parse().ok()) else {
            continue;
        };
        held.remove(&address);
        if fields.get(lifetime).is_some_and(|seconds| *seconds != "0") {
            let client = fields.get(client).unwrap_or(&"").replace(':', "");
            held.insert(address, ServerLease { address, client });
        }
    }
    held.into_values().collect()
}
