//! `cnitool list`: the attachments that the node remembers.

use std::time::SystemTime;

use cni_types::json::to_pretty;
use libcni::cache::Cache;
use serde_json::{Value, json};

use crate::node::{Host, Known, known, short_id, span};
use crate::table::Table;
use crate::tell;

/// The attachments of a network, or of all, as a table or JSON; reports broken files.
pub(crate) fn text(network: Option<&str>, json: bool) -> String {
    let links = match Host::open() {
        Ok(host) => host.links,
        Err(error) => {
            tell(&format!(
                "cnitool list: links of the host are not known: {error}\n"
            ));
            Vec::new()
        }
    };
    let (mut attachments, faults) = known(&Cache::default(), &links);
    for fault in faults {
        tell(&format!("cnitool list: skipped {fault}\n"));
    }
    attachments.retain(|one| network.is_none_or(|name| one.entry.network == name));
    if json {
        let objects: Vec<Value> = attachments.iter().map(as_json).collect();
        return to_pretty(&objects) + "\n";
    }
    if attachments.is_empty() {
        return match network {
            Some(name) => format!("no attachment of network {name} is known\n"),
            None => "no attachment is known\n".to_owned(),
        };
    }
    table(&attachments)
}

fn table(attachments: &[Known]) -> String {
    let mut table = Table::new(&[
        "NETWORK",
        "CONTAINER",
        "POD",
        "INTERFACE",
        "ADDRESSES",
        "STATE",
        "AGE",
        "NAMESPACE",
    ]);
    let ids: Vec<&str> = attachments
        .iter()
        .map(|one| one.entry.attachment.container_id.as_str())
        .collect();
    for one in attachments {
        let attachment = &one.entry.attachment;
        table.row(vec![
            one.entry.network.clone(),
            short_id(&attachment.container_id, &ids).to_owned(),
            one.pod(),
            attachment.ifname.clone(),
            one.addresses().join(" "),
            one.state().text(),
            one.age.map(span).unwrap_or_default(),
            one.entry.netns.clone(),
        ]);
    }
    table.text()
}

fn as_json(one: &Known) -> Value {
    let state = one.state();
    let entry = &one.entry;
    let added = one.age.and_then(|age| SystemTime::now().checked_sub(age));
    let added = added.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    json!({
        "network": entry.network,
        "containerID": entry.attachment.container_id,
        "pod": one.pod(),
        "ifname": entry.attachment.ifname,
        "addresses": one.addresses(),
        "state": state.text(),
        "netns": entry.netns,
        "namespaceLives": state.namespace_lives(),
        "cacheFile": one.file,
        "ageSeconds": one.age.map(|age| age.as_secs()),
        "addedAt": added.map(|time| time.as_secs()),
    })
}
