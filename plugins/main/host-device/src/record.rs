//! The record of a moved device, written before the device is touched: DEL restores from it.
//!
//! One file per attachment. The Go plugin leaves nothing but the interface's alias, which the
//! container can change and which holds neither the attachment nor the other settings.

use std::io;
use std::path::PathBuf;

use ferrule_kernel::{Hardware, Link, Mac, Netns};
use ferrule_net::AttachmentId;
use ferrule_plugin::{RecordError, RecordStore};
use serde::{Deserialize, Serialize};

/// The folder of records and staging namespaces. A restart of the node removes it, as it does the
/// namespaces of containers.
const FOLDER: &str = "/run/cni/host-device";

/// Kinds of link that the kernel moves back to the host when their namespace ends, as it does
/// hardware (`netns_refund` of `struct rtnl_link_ops`).
const REFUNDED_KINDS: [&str; 3] = ["can", "dsa", "ipoib"];

/// A device that has been moved into a container, or is about to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Record {
    network: String,
    #[serde(rename = "containerID")]
    container_id: String,
    /// The interface's name in the container.
    pub(crate) ifname: String,
    /// The interface's name on the host.
    pub(crate) device: String,
    /// Its alias on the host.
    pub(crate) alias: String,
    /// Its kind, empty for hardware.
    kind: String,
    /// Its hardware address there; empty when unknown.
    pub(crate) mac: String,
    /// Its MTU there; 0 when unknown.
    pub(crate) mtu: u32,
    /// Whether it was up on the host.
    pub(crate) up: bool,
    /// Whether it was promiscuous on the host.
    pub(crate) promiscuous: bool,
    /// Whether it received all multicast packets on the host.
    pub(crate) all_multicast: bool,
    permanent_mac: String,
    bus: String,
    bus_device: String,
    /// The container's namespace.
    pub(crate) netns: PathBuf,
    /// Device and inode number of that.
    pub(crate) netns_identity: Option<(u64, u64)>,
}

/// The records of the node.
pub(crate) fn store() -> RecordStore {
    RecordStore::at(FOLDER, ".json")
}

impl Record {
    /// The record of a device that is about to be moved to `netns`.
    pub(crate) fn leaving(
        id: &AttachmentId,
        link: &Link,
        hardware: &Hardware,
        netns: &Netns,
    ) -> io::Result<Self> {
        // Older Go plugins leave the alias when they move a device back.
        let alias = link.alias.clone().filter(|alias| *alias != link.name);
        Ok(Self {
            alias: alias.unwrap_or_default(),
            mac: text(link.mac),
            mtu: link.mtu,
            up: link.up,
            promiscuous: link.promiscuity > 0,
            all_multicast: link.all_multicast,
            netns: netns.path().to_owned(),
            netns_identity: Some(netns.identity()?),
            ..Self::found(id, &link.name, link, hardware)
        })
    }

    /// The record of a device found in a container without one; `device` is its name on the host.
    pub(crate) fn found(id: &AttachmentId, device: &str, link: &Link, hardware: &Hardware) -> Self {
        Self {
            network: id.network.clone(),
            container_id: id.container_id.clone(),
            ifname: id.ifname.clone(),
            device: device.to_owned(),
            kind: link.kind.clone().unwrap_or_default(),
            permanent_mac: text(hardware.permanent_mac),
            bus: hardware.bus.clone().unwrap_or_default(),
            bus_device: hardware.device.clone().unwrap_or_default(),
            ..Self::default()
        }
    }

    /// The attachment it is about.
    pub(crate) fn id(&self) -> AttachmentId {
        AttachmentId {
            network: self.network.clone(),
            container_id: self.container_id.clone(),
            ifname: self.ifname.clone(),
        }
    }

    /// The identity of the hardware, which a container cannot change; unknown for links without
    /// hardware.
    pub(crate) fn hardware(&self) -> Hardware {
        let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Hardware {
            permanent_mac: self.permanent_mac.parse().ok(),
            bus: set(&self.bus),
            device: set(&self.bus_device),
        }
    }

    /// Whether a link is of the device's kind.
    pub(crate) fn is_of_kind(&self, link: &Link) -> bool {
        link.kind.as_deref().unwrap_or_default() == self.kind
    }

    /// Whether the kernel moves the device to the host when its namespace ends. It deletes links
    /// without hardware.
    pub(crate) fn outlives_namespace(&self) -> bool {
        self.kind.is_empty() || REFUNDED_KINDS.contains(&self.kind.as_str())
    }

    /// Writes the record, in place of an earlier one.
    pub(crate) fn write(&self) -> Result<(), RecordError> {
        store().write(&self.id().key(), self)
    }

    /// Reads the record of an attachment.
    pub(crate) fn read(id: &AttachmentId) -> Result<Option<Self>, RecordError> {
        Self::named(&id.key())
    }

    fn named(name: &str) -> Result<Option<Self>, RecordError> {
        let record = store().read::<Self>(name)?;
        Ok(record.filter(|record| !record.device.is_empty()))
    }

    /// Removes the record of an attachment, if there is one.
    pub(crate) fn remove(id: &AttachmentId) -> Result<(), RecordError> {
        store().remove(&id.key())
    }

    /// All records of the node.
    pub(crate) fn all() -> Result<Vec<Self>, RecordError> {
        let names = store().names()?;
        let records = names.iter().map(|name| Self::named(name).transpose());
        records.flatten().collect()
    }

    /// Whether another attachment has the same device in the same namespace: this record is then
    /// older, of an ended namespace whose inode number has been reused.
    pub(crate) fn is_superseded(&self) -> Result<bool, RecordError> {
        let identity = self.netns_identity;
        let others = Self::others(&self.id(), &self.device)?;
        Ok(others.iter().any(|other| other.netns_identity == identity))
    }

    /// The records of this device that attachments other than `id` have.
    pub(crate) fn others(id: &AttachmentId, device: &str) -> Result<Vec<Self>, RecordError> {
        let mut all = Self::all()?;
        all.retain(|other| other.id() != *id && other.device == device);
        Ok(all)
    }

    /// Whether it is of this interface of this container, in any network.
    pub(crate) fn is_of_interface(&self, id: &AttachmentId) -> bool {
        self.container_id == id.container_id && self.ifname == id.ifname
    }
}

fn text(mac: Option<Mac>) -> String {
    mac.map(|mac| mac.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_gives_hardware_back_and_removes_other_links() {
        for (kind, given_back) in [("", true), ("ipoib", true), ("dummy", false)] {
            let record = Record {
                kind: kind.into(),
                ..Record::default()
            };
            assert_eq!(record.outlives_namespace(), given_back, "{kind:?}");
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let folder = std::env::temp_dir().join(format!("host-device-{}", std::process::id()));
        let store = RecordStore::at(folder, ".json");
        let record = Record {
            network: "net".into(),
            container_id: "c1".into(),
            ifname: "net1".into(),
            device: "eth1".into(),
            alias: "uplink to \"rack\" 7".into(),
            permanent_mac: "02:00:00:00:00:01".into(),
            netns_identity: Some((4, u64::from(u32::MAX) + 1)),
            ..Record::default()
        };
        store.write("record", &record).unwrap();
        assert_eq!(store.read("record").unwrap(), Some(record.clone()));
        store.remove("record").unwrap();
        assert!(!record.hardware().is_unknown() && Record::default().hardware().is_unknown());
    }
}
