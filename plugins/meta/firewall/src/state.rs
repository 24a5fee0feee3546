//! The plugin's state outside the packet filter: which attachment has which addresses.
//!
//! The rules of iptables and the sources of firewalld have the form of the Go plugin, which has no
//! place for an owner. The owner is recorded before they are made: DEL then needs no previous result,
//! GC knows what belongs to a network, and a late DEL leaves an address alone that another container
//! has got meanwhile.
//!
//! ```text
//! /run/cni/firewall/attachments/<tag>      the record of an attachment
//! /run/cni/firewall/addresses/<address>    a link to the attachment that got the address last
//! /run/cni/firewall/isolated/<bridge>/     the networks that isolate its containers
//! ```
//!
//! All are changed only under the lock of the network namespace.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ferrule_file::create_private_folder;
use ferrule_net::{AttachmentId, network_tag};
use ferrule_plugin::{RecordError, RecordStore, remove_file};
use serde::{Deserialize, Serialize};

use crate::config::FirewallBackend;

/// What an attachment got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) network: String,
    #[serde(rename = "containerID")]
    pub(crate) container_id: String,
    pub(crate) ifname: String,
    pub(crate) backend: FirewallBackend,
    /// firewalld's zone.
    #[serde(default)]
    pub(crate) zone: String,
    pub(crate) addresses: Vec<IpAddr>,
    /// The chains of the key `nftablesForwardChains`.
    #[serde(default)]
    pub(crate) forward_chains: Vec<String>,
}

/// The state of one node.
#[derive(Debug)]
pub(crate) struct State {
    folder: PathBuf,
    attachments: RecordStore,
    addresses: PathBuf,
    isolated: PathBuf,
}

impl State {
    /// The state in a folder, which need not exist.
    pub(crate) fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            attachments: RecordStore::at(folder.join("attachments"), ""),
            addresses: folder.join("addresses"),
            isolated: folder.join("isolated"),
        }
    }

    /// The record of an attachment. A record that cannot be read counts as none.
    pub(crate) fn record(&self, tag: &str) -> Option<Record> {
        self.attachments.read(tag).ok().flatten()
    }

    /// The attachment that got an address last, unless it is gone.
    pub(crate) fn holder(&self, address: IpAddr) -> Option<String> {
        let link = self.addresses.join(address.to_string());
        // A link to a removed record leads nowhere.
        fs::metadata(&link).ok()?;
        Some(tag_of(&fs::read_link(&link).ok()?))
    }

    /// Records what an attachment is about to get.
    pub(crate) fn add(&self, tag: &str, record: &Record) -> Result<(), RecordError> {
        for folder in [&self.folder, &self.addresses] {
            create_folder(folder)?;
        }
        self.attachments.write(tag, record)?;
        let target = Path::new("../attachments").join(tag);
        for address in &record.addresses {
            let link = self.addresses.join(address.to_string());
            remove_file(&link)?;
            symlink(&target, &link).map_err(RecordError::at("create", &link))?;
        }
        Ok(())
    }

    /// Removes the record of an attachment and the links of the addresses it still has.
    pub(crate) fn del(&self, tag: &str, addresses: &[IpAddr]) -> Result<(), RecordError> {
        for address in addresses {
            self.release(tag, *address)?;
        }
        self.attachments.remove(tag)?;
        // Fails while other attachments have records there.
        for folder in [&self.addresses, &self.folder] {
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }

    /// Removes the link of an address, if it leads to this attachment.
    pub(crate) fn release(&self, tag: &str, address: IpAddr) -> Result<(), RecordError> {
        let link = self.addresses.join(address.to_string());
        match fs::read_link(&link) {
            Ok(target) if tag_of(&target) == tag => remove_file(&link),
            _ => Ok(()),
        }
    }

    /// The tags of all attachments to a network, including one whose ADD was killed while it wrote
    /// the record.
    pub(crate) fn of_network(&self, network: &str) -> Result<Vec<String>, RecordError> {
        let prefix = format!("{}-", network_tag(network));
        let mut tags = self.attachments.names()?;
        tags.retain(|tag| tag.starts_with(&prefix));
        Ok(tags)
    }

    /// Records whether a network isolates the containers of a bridge from each other; whether
    /// another network does.
    pub(crate) fn isolate(
        &self,
        network: &str,
        bridge: &str,
        isolated: bool,
    ) -> Result<bool, RecordError> {
        let marks = self.marks(bridge);
        let own = network_tag(network);
        if isolated {
            marks.write(&own, &network)?;
        } else {
            marks.remove(&own)?;
        }
        Ok(self.is_isolated_elsewhere(network, bridge))
    }

    /// Whether another network isolates the containers of a bridge from each other.
    pub(crate) fn is_isolated_elsewhere(&self, network: &str, bridge: &str) -> bool {
        let own = network_tag(network);
        let marks = self.marks(bridge).names().unwrap_or_default();
        marks.iter().any(|mark| *mark != own)
    }

    /// The networks that isolate the containers of a bridge, by their tags.
    fn marks(&self, bridge: &str) -> RecordStore {
        RecordStore::at(self.isolated.join(bridge), "")
    }
}

impl Record {
    /// The attachment.
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

fn create_folder(folder: &Path) -> Result<(), RecordError> {
    create_private_folder(folder).map_err(RecordError::at("create", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(network: &str, container_id: &str, addresses: &[&str]) -> (String, Record) {
        let record = Record {
            network: network.into(),
            container_id: container_id.into(),
            ifname: "eth0".into(),
            backend: FirewallBackend::Iptables,
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
    fn what_is_recorded_is_found_and_removed_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path());
        let (tag, first) = record("net", "a", &["10.1.2.3", "fd00::3"]);
        assert_eq!(state.record(&tag), None);
        state.del(&tag, &first.addresses).unwrap();
        state.add(&tag, &first).unwrap();
        state.add(&tag, &first).unwrap();
        assert_eq!(state.record(&tag), Some(first.clone()));
        assert_eq!(state.holder(first.addresses[1]), Some(tag.clone()));
        state.del(&tag, &first.addresses).unwrap();
        assert_eq!((state.record(&tag), files(folder.path())), (None, 0));
        assert!(!folder.path().exists());
    }

    #[test]
    fn the_last_one_to_get_an_address_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path());
        let (early, first) = record("net", "a", &["10.1.2.3"]);
        let (late, second) = record("net", "b", &["10.1.2.3"]);
        state.add(&early, &first).unwrap();
        state.add(&late, &second).unwrap();
        assert_eq!(state.holder(first.addresses[0]), Some(late.clone()));
        state.del(&early, &first.addresses).unwrap();
        assert_eq!(state.holder(first.addresses[0]), Some(late.clone()));
        // A holder without a record holds nothing.
        state.del(&late, &[]).unwrap();
        assert_eq!(state.holder(first.addresses[0]), None);
    }

    #[test]
    fn records_are_found_by_network_even_half_written_ones() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path());
        assert_eq!(state.of_network("net").unwrap(), Vec::<String>::new());
        let (mine, first) = record("net", "a", &[]);
        let (other, second) = record("other", "b", &[]);
        state.add(&mine, &first).unwrap();
        state.add(&other, &second).unwrap();
        fs::write(folder.path().join(format!("attachments/{mine}.new")), "{").unwrap();
        assert_eq!(state.of_network("net").unwrap(), [mine.as_str()]);
        state.del(&other, &[]).unwrap();
        state.del(&mine, &[]).unwrap();
        assert_eq!(files(folder.path()), 0);
    }

    #[test]
    fn a_bridge_stays_isolated_as_long_as_one_network_wants_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path());
        let isolate = |network, isolated| state.isolate(network, "br", isolated).unwrap();
        assert!(!isolate("a", false));
        assert!(!isolate("a", true) && !isolate("a", true));
        assert!(isolate("b", false) && isolate("b", true));
        assert!(isolate("a", false) && !isolate("b", false));
        assert!(!state.is_isolated_elsewhere("c", "br"));
        assert!(!state.is_isolated_elsewhere("c", "other"));
    }
}
