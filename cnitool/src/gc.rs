//! GC: which attachments are kept, and what was removed.

use cni_types::json::to_pretty;
use libcni::cache::Entry;
use libcni::config::NetworkList;
use libcni::{Attachment, Runtime};
use serde_json::json;

use crate::arguments::Arguments;
use crate::attachments;
use crate::error::CommandError;
use crate::node::{Host, add_by_alias};
use crate::selection::select;

/// Runs GC unless this is a dry run; returns what was or would be removed.
pub(crate) fn run(
    runtime: &Runtime,
    network: &NetworkList,
    arguments: &Arguments,
) -> Result<String, CommandError> {
    let known = known(runtime, network)?;
    let mut kept: Vec<Attachment> = Vec::new();
    for text in &arguments.keep {
        let found = select(&known, text).map_err(|error| error.about(&format!("--keep {text}")))?;
        kept.extend(found.into_iter().map(|entry| entry.attachment.clone()));
    }
    kept.sort_unstable();
    kept.dedup();
    if network.disable_gc() {
        return Ok(format!(
            "network {} has disableGC: nothing is removed\n",
            network.name()
        ));
    }
    let stale: Vec<Entry> = known
        .into_iter()
        .filter(|entry| !kept.contains(&entry.attachment))
        .collect();
    if arguments.dry_run {
        return Ok(report(network, &stale, true, arguments.json));
    }
    let collected = runtime.gc(network, &kept);
    let left = self::known(runtime, network)?;
    let is_gone = |entry: &Entry| !left.iter().any(|one| one.attachment == entry.attachment);
    let removed: Vec<Entry> = stale.into_iter().filter(is_gone).collect();
    let output = report(network, &removed, false, arguments.json);
    collected.map(|()| output.clone()).map_err(|error| {
        let mut failure = CommandError::from(error);
        failure.output = output;
        failure
    })
}

/// The attachments of the network: cached ones, and those that only the alias of a link on the host
/// tells of, which GC of the plugins removes as well.
fn known(runtime: &Runtime, network: &NetworkList) -> Result<Vec<Entry>, CommandError> {
    let entries = runtime.cache().attachments(None);
    let mut entries = entries.map_err(|error| CommandError::new(error.to_string()))?;
    let host = Host::open().map_err(|error| CommandError::new(error.to_string()))?;
    add_by_alias(&mut entries, &host.links);
    entries.retain(|entry| entry.network == network.name());
    Ok(entries)
}

fn report(network: &NetworkList, removed: &[Entry], dry_run: bool, json: bool) -> String {
    if json {
        let removed: Vec<_> = removed.iter().map(attachments::as_json).collect();
        let key = if dry_run { "wouldRemove" } else { "removed" };
        return to_pretty(&json!({ "network": network.name(), key: removed })) + "\n";
    }
    let (would, was) = if dry_run {
        ("would be removed", "would be removed")
    } else {
        ("was removed", "were removed")
    };
    let name = network.name();
    match removed.len() {
        0 => format!("no attachment of network {name} {would}\n"),
        count => {
            let what = if count == 1 {
                "attachment"
            } else {
                "attachments"
            };
            let how = if count == 1 { would } else { was };
            let table = attachments::table(removed);
            format!("{count} {what} of network {name} {how}:\n\n{table}")
        }
    }
}
