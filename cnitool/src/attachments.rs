//! Cached attachments, for output.

use cni_types::json::JsonValue;
use cni_types::{CniResult, SpecVersion};
use libcni::cache::Entry;
use serde_json::{Value, json};

use crate::table::Table;

/// The result of the ADD that made the attachment; empty if it is missing or cannot be read.
pub(crate) fn result(entry: &Entry) -> CniResult {
    let read = |json: &JsonValue| {
        let version = json.text_field("cniVersion").unwrap_or_default();
        CniResult::from_json(json, version.parse().unwrap_or(SpecVersion::LATEST)).ok()
    };
    entry.result.as_ref().and_then(read).unwrap_or_default()
}

/// The addresses of the container's interface, with their prefixes.
pub(crate) fn addresses(entry: &Entry) -> Vec<String> {
    let result = result(entry);
    let is_own = |ip: &&cni_types::IpConfig| {
        result
            .interface_of(ip)
            .is_none_or(|interface| interface.name == entry.attachment.ifname)
    };
    let own = result.ips.iter().filter(is_own);
    own.map(|ip| ip.address.to_string()).collect()
}

/// Container, interface, addresses and namespace, as a table.
pub(crate) fn table(entries: &[Entry]) -> String {
    let mut table = Table::new(&["CONTAINER", "INTERFACE", "ADDRESSES", "NAMESPACE"]);
    for entry in entries {
        table.row(vec![
            entry.attachment.container_id.clone(),
            entry.attachment.ifname.clone(),
            addresses(entry).join(" "),
            entry.netns.clone(),
        ]);
    }
    table.text()
}

/// The same as an object.
pub(crate) fn as_json(entry: &Entry) -> Value {
    json!({
        "containerID": entry.attachment.container_id,
        "ifname": entry.attachment.ifname,
        "netns": entry.netns,
        "addresses": addresses(entry),
    })
}
