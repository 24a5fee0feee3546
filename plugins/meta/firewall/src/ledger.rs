//! What the plugin notes about attachments, outside the packet filter.
//!
//! The rules of iptables and the sources of firewalld are in the form of the Go plugin, which has
//! no place for an owner. Whose they are is noted before they are made: DEL then needs no previous
//! result, GC knows what belongs to a network, and a DEL that comes late leaves an address alone
//! that another container has got meanwhile.
//!
//! ```text
//! /run/cni/firewall/attachments/<tag>      what an attachment has
//! /run/cni/firewall/addresses/<address>    a link to the attachment that got the address last
//! /run/cni/firewall/isolated/<bridge>/     the networks that isolate its containers
//! ```
//!
//! All are changed under the lock of the network namespace alone.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use cni_types::json::{self, JsonValue};
use ferrule_net::{AttachmentId, network_tag};
use libcni::os_text;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::Backend;

/// A file operation that failed.
#[derive(Debug, Error)]
#[error("cannot {operation} {}: {}", .path.display(), os_text(.source))]
pub(crate) struct LedgerError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// What an attachment has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) network: String,
    #[serde(rename = "containerID")]
    pub(crate) container_id: String,
    pub(crate) ifname: String,
    pub(crate) backend: Backend,
    /// firewalld's zone.
    #[serde(default)]
    pub(crate) zone: String,
    pub(crate) addresses: Vec<IpAddr>,
    /// The chains that were to let it through, as the configuration has them.
    #[serde(default)]
    pub(crate) forward_chains: Vec<String>,
}

/// The notes of one node.
#[derive(Debug)]
pub(crate) struct Ledger {
    folder: PathBuf,
    attachments: PathBuf,
    addresses: PathBuf,
    isolated: PathBuf,
}

impl Ledger {
    /// The notes in a folder, which need not be there.
    pub(crate) fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            attachments: folder.join("attachments"),
            addresses: folder.join("addresses"),
            isolated: folder.join("isolated"),
        }
    }

    /// What is noted about an attachment. A note that cannot be read is none.
    pub(crate) fn record(&self, tag: &str) -> Option<Record> {
        let bytes = ferrule_file::read(&self.attachments.join(tag)).ok()?;
        JsonValue::read(&bytes).ok()?.decode().ok()
    }

    /// The attachment that got an address last, unless it is gone.
    pub(crate) fn holder(&self, address: IpAddr) -> Option<String> {
        let link = self.addresses.join(address.to_string());
        // A link to a note that is gone leads nowhere.
        fs::metadata(&link).ok()?;
        Some(tag_of(&fs::read_link(&link).ok()?))
    }

    /// Notes what an attachment is about to get.
    pub(crate) fn enter(&self, tag: &str, record: &Record) -> Result<(), LedgerError> {
        for folder in [&self.attachments, &self.addresses] {
            fs::create_dir_all(folder).map_err(failed("create", folder))?;
        }
        let (half, whole) = (self.half(tag), self.attachments.join(tag));
        fs::write(&half, json::to_compact(record)).map_err(failed("write", &half))?;
        fs::rename(&half, &whole).map_err(failed("write", &whole))?;
        let target = Path::new("../attachments").join(tag);
        for address in &record.addresses {
            let link = self.addresses.join(address.to_string());
            remove(&link)?;
            symlink(&target, &link).map_err(failed("create", &link))?;
        }
        Ok(())
    }

    /// Forgets an attachment and the addresses it still has.
    pub(crate) fn leave(&self, tag: &str, addresses: &[IpAddr]) -> Result<(), LedgerError> {
        for address in addresses {
            self.release(tag, *address)?;
        }
        remove(&self.half(tag))?;
        remove(&self.attachments.join(tag))?;
        // Folders others still have notes in stay.
        for folder in [&self.addresses, &self.attachments, &self.folder] {
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }

    /// Forgets that an attachment has an address.
    pub(crate) fn release(&self, tag: &str, address: IpAddr) -> Result<(), LedgerError> {
        let link = self.addresses.join(address.to_string());
        match fs::read_link(&link) {
            Ok(target) if tag_of(&target) == tag => remove(&link),
            _ => Ok(()),
        }
    }

    /// The tags of all attachments to a network.
    pub(crate) fn of_network(&self, network: &str) -> Result<Vec<String>, LedgerError> {
        let prefix = format!("{}-", network_tag(network));
        let tags = self.tags()?.into_iter();
        // One that was being written when the plugin was killed is one, too.
        let mut tags: Vec<_> = tags
            .filter(|tag| tag.starts_with(&prefix))
            .map(|tag| tag.trim_end_matches(HALF).to_owned())
            .collect();
        tags.dedup();
        Ok(tags)
    }

    /// Notes whether a network isolates the containers of a bridge from each other, and tells
    /// whether another network does.
    pub(crate) fn isolate(
        &self,
        network: &str,
        bridge: &str,
        isolated: bool,
    ) -> Result<bool, LedgerError> {
        let folder = self.isolated.join(bridge);
        let mark = folder.join(network_tag(network));
        if isolated {
            fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
            fs::write(&mark, network).map_err(failed("write", &mark))?;
        } else {
            remove(&mark)?;
        }
        Ok(self.is_isolated_elsewhere(network, bridge))
    }

    /// Whether another network isolates the containers of a bridge from each other.
    pub(crate) fn is_isolated_elsewhere(&self, network: &str, bridge: &str) -> bool {
        let own = network_tag(network);
        let marks = fs::read_dir(self.isolated.join(bridge));
        let mut marks = marks.into_iter().flatten().flatten();
        marks.any(|mark| mark.file_name() != own.as_str())
    }

    fn tags(&self) -> Result<Vec<String>, LedgerError> {
        let folder = &self.attachments;
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read", folder)(error)),
        };
        let mut tags = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed("read", folder))?;
            tags.extend(entry.file_name().into_string());
        }
        tags.sort_unstable();
        Ok(tags)
    }

    /// Where a note is written before it takes the place of an older one.
    fn half(&self, tag: &str) -> PathBuf {
        self.attachments.join(format!("{tag}{HALF}"))
    }
}

/// What the name of a note that is being written ends in.
const HALF: &str = ".new";

impl Record {
    /// Whose it is.
    pub(crate) fn id(&self) -> AttachmentId {
        AttachmentId {
            network: self.network.clone(),
            container_id: self.container_id.clone(),
            ifname: self.ifname.clone(),
        }
    }
}

fn tag_of(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn remove(path: &Path) -> Result<(), LedgerError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// For `map_err`: `operation` completes "cannot … <path>".
fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError {
        operation,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(network: &str, container_id: &str, addresses: &[&str]) -> (String, Record) {
        let record = Record {
            network: network.into(),
            container_id: container_id.into(),
            ifname: "eth0".into(),
            backend: Backend::Iptables,
            zone: String::new(),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            forward_chains: vec![],
        };
        (record.id().tag(), record)
    }

    fn files(folder: &Path) -> usize {
        ["attachments", "addresses"]
            .iter()
            .flat_map(|name| fs::read_dir(folder.join(name)))
            .map(Iterator::count)
            .sum()
    }

    #[test]
    fn what_is_entered_is_found_and_left_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(folder.path());
        let (tag, first) = record("net", "a", &["10.1.2.3", "fd00::3"]);
        assert_eq!(ledger.record(&tag), None);
        ledger.leave(&tag, &first.addresses).unwrap();
        ledger.enter(&tag, &first).unwrap();
        ledger.enter(&tag, &first).unwrap();
        assert_eq!(ledger.record(&tag), Some(first.clone()));
        assert_eq!(ledger.holder(first.addresses[1]), Some(tag.clone()));
        ledger.leave(&tag, &first.addresses).unwrap();
        assert_eq!((ledger.record(&tag), files(folder.path())), (None, 0));
        assert!(!folder.path().exists());
    }

    #[test]
    fn the_last_one_to_get_an_address_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(folder.path());
        let (early, first) = record("net", "a", &["10.1.2.3"]);
        let (late, second) = record("net", "b", &["10.1.2.3"]);
        ledger.enter(&early, &first).unwrap();
        ledger.enter(&late, &second).unwrap();
        assert_eq!(ledger.holder(first.addresses[0]), Some(late.clone()));
        ledger.leave(&early, &first.addresses).unwrap();
        assert_eq!(ledger.holder(first.addresses[0]), Some(late.clone()));
        // A holder whose note is gone holds nothing.
        ledger.leave(&late, &[]).unwrap();
        assert_eq!(ledger.holder(first.addresses[0]), None);
    }

    #[test]
    fn notes_are_found_by_network_even_half_written_ones() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(folder.path());
        assert_eq!(ledger.of_network("net").unwrap(), Vec::<String>::new());
        let (mine, first) = record("net", "a", &[]);
        let (other, second) = record("other", "b", &[]);
        ledger.enter(&mine, &first).unwrap();
        ledger.enter(&other, &second).unwrap();
        fs::write(ledger.half(&mine), "{").unwrap();
        assert_eq!(ledger.of_network("net").unwrap(), [mine.as_str()]);
        ledger.leave(&other, &[]).unwrap();
        ledger.leave(&mine, &[]).unwrap();
        assert_eq!(files(folder.path()), 0);
    }

    #[test]
    fn a_bridge_stays_isolated_as_long_as_one_network_wants_it() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(folder.path());
        let isolate = |network, isolated| ledger.isolate(network, "br", isolated).unwrap();
        assert!(!isolate("a", false));
        assert!(!isolate("a", true) && !isolate("a", true));
        assert!(isolate("b", false) && isolate("b", true));
        assert!(isolate("a", false) && !isolate("b", false));
        assert!(!ledger.is_isolated_elsewhere("c", "br"));
        assert!(!ledger.is_isolated_elsewhere("c", "other"));
    }
}
