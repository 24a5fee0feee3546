//! A container that an earlier plugin has attached.

use std::fs;

use ferrule_testkit::{Call, Container, Host};
use ferrule_tests::{with_keys, with_prev_result};
use serde_json::{Value, json};

/// Where records are by default.
pub(crate) const FOLDER: &str = "/run/cni/tuning";

/// The MAC address of every new container.
pub(crate) const MAC: &str = "02:00:00:00:00:01";

/// A change of every setting, except the queue length.
pub(crate) fn all() -> Value {
    json!({ "mac": "02:AA:00:00:00:0B", "mtu": 1400, "promisc": true, "allmulti": true })
}

/// As [`all`], with the queue length, which Debian's Go plugin does not support.
pub(crate) fn all_and_queue() -> Value {
    let mut keys = all();
    keys["txQLen"] = json!(77);
    keys
}

/// A container with `eth0`, one end of a pair.
pub(crate) fn container(host: &Host, name: &str) -> Container {
    let container = host.netns(name);
    container.ip(format!(
        "link add eth0 address {MAC} type veth peer name far0"
    ));
    container
}

/// The previous result. The host has an interface of the same name as well.
pub(crate) fn result(version: &str, name: &str) -> Value {
    let ips = match version {
        "0.1.0" | "0.2.0" => {
            return json!({ "cniVersion": version, "ip4": { "ip": "10.1.2.3/24" } });
        }
        "1.0.0" | "1.1.0" => json!([{ "address": "10.1.2.3/24", "interface": 1 }]),
        _ => json!([{ "version": "4", "address": "10.1.2.3/24", "interface": 1 }]),
    };
    json!({
        "cniVersion": version, "ips": ips,
        "interfaces": [
            { "name": "eth0", "mac": "02:00:00:00:00:99" },
            { "name": "eth0", "mac": MAC, "sandbox": format!("/run/netns/{name}") },
        ],
    })
}

/// The configuration with these keys.
pub(crate) fn config(version: &str, keys: &Value) -> Value {
    with_keys(
        json!({ "cniVersion": version, "name": "net", "type": "tuning" }),
        keys,
    )
}

/// This call with configuration and container; only the executable differs between
/// implementations.
pub(crate) fn call_of(call: Call, version: &str, name: &str, keys: &Value) -> Call {
    let config = with_prev_result(&config(version, keys), &result(version, name));
    let call = call.container(name).netns(format!("/run/netns/{name}"));
    call.ifname("eth0").config(config)
}

/// A call for a container, which need not exist.
pub(crate) fn tuning(host: &Host, name: &str, keys: &Value) -> Call {
    call_of(host.plugin("tuning"), "1.1.0", name, keys)
}

/// The settings of a container's interface.
pub(crate) fn state(container: &Container) -> String {
    let link = container.link("eth0");
    let flags = link["flags"].as_array().unwrap();
    let flag = |name: &str| flags.contains(&json!(name));
    format!(
        "{} mtu {} promisc {} ({}) allmulti {} queue {}",
        link["address"].as_str().unwrap(),
        link["mtu"],
        flag("PROMISC"),
        link["promiscuity"],
        flag("ALLMULTI"),
        link["txqlen"].as_u64().unwrap_or(0),
    )
}

/// The names of the records in the default folder.
pub(crate) fn records() -> Vec<String> {
    let entries = fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
