//! What is written down before a device is touched, so that it finds its way home whatever happens.
//!
//! One file per attachment. The interface's alias, the only thing the Go plugin leaves, can be
//! changed by the container, says nothing of the attachment, and nothing of what else was changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cni_types::json::{self, JsonValue};
use cni_types::{Code, Error};
use ferrule_kernel::{Hardware, Link, Mac, Netns};
use ferrule_net::AttachmentId;
use serde::{Deserialize, Serialize};

/// Where records, and namespaces devices pass through, are kept. Gone after a restart, as are the
/// namespaces of containers.
const FOLDER: &str = "/run/cni/host-device";
const SUFFIX: &str = ".json";
/// Another process may take the empty folder away between two steps of this one.
const MOST_ATTEMPTS: u32 = 5;

/// Kinds of link that hardware is behind (`netns_refund` in the kernel's `struct rtnl_link_ops`).
const GIVEN_BACK: [&str; 3] = ["can", "dsa", "ipoib"];

/// A device that is or was on its way into a container.
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
    /// The alias it had on the host.
    pub(crate) alias: String,
    /// Its kind, empty for hardware.
    kind: String,
    /// Its hardware address there; empty when unknown.
    pub(crate) mac: String,
    /// Its MTU there; 0 when unknown.
    pub(crate) mtu: u32,
    /// Whether it was up on the host.
    pub(crate) up: bool,
    /// Whether it took all packets there.
    pub(crate) promiscuous: bool,
    /// Whether it took all multicast packets there.
    pub(crate) all_multicast: bool,
    permanent_mac: String,
    bus: String,
    bus_device: String,
    /// The container's namespace.
    pub(crate) netns: PathBuf,
    /// Device and inode number of that.
    pub(crate) netns_identity: Option<(u64, u64)>,
}

/// A record that could not be read, written or removed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {path:?}: {source}")]
pub(crate) struct RecordError {
    step: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl From<RecordError> for Error {
    fn from(error: RecordError) -> Self {
        Self::new(Code::Io, error.to_string())
    }
}

impl RecordError {
    fn at(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { step, path, source }
    }
}

impl Record {
    /// A device about to leave the host for the container at `netns`.
    pub(crate) fn leaving(
        id: &AttachmentId,
        link: &Link,
        hardware: &Hardware,
        netns: &Netns,
    ) -> io::Result<Self> {
        // Older Go plugins leave the alias when they give a device back.
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

    /// A device found in a container without a record, and what it was called on the host.
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

    /// What nobody in a container can change about the device; unknown for links without hardware.
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

    /// Whether the kernel gives the device back when the namespace it is in ends. It removes links
    /// that no hardware is behind.
    pub(crate) fn outlives_namespace(&self) -> bool {
        self.kind.is_empty() || GIVEN_BACK.contains(&self.kind.as_str())
    }

    /// Writes it down, in place of an earlier one.
    pub(crate) fn write(&self) -> Result<(), RecordError> {
        let path = path_of(&self.id(), SUFFIX);
        // One write of less than a page: a killed process leaves all of it or an empty file.
        let text = json::to_compact(self);
        in_folder(|| fs::write(&path, &text)).map_err(RecordError::at("write", &path))
    }

    /// The record of an attachment. One that was cut short counts as none: nothing had been done.
    pub(crate) fn read(id: &AttachmentId) -> Result<Option<Self>, RecordError> {
        read_file(&path_of(id, SUFFIX))
    }

    /// Removes the record of an attachment, if there is one, and the folder with the last one.
    pub(crate) fn remove(id: &AttachmentId) -> Result<(), RecordError> {
        let path = path_of(id, SUFFIX);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(RecordError::at("remove", &path)(error)),
        }
        // Fails while others are in it.
        let _ = fs::remove_dir(FOLDER);
        Ok(())
    }

    /// All records of the node.
    pub(crate) fn all() -> Result<Vec<Self>, RecordError> {
        let failed = |error| RecordError::at("list", Path::new(FOLDER))(error);
        let entries = match fs::read_dir(FOLDER) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut records = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.to_str().is_some_and(|path| path.ends_with(SUFFIX)) {
                records.extend(read_file(&path)?);
            }
        }
        Ok(records)
    }

    /// Whether another attachment has the same device in the same namespace: then this record is
    /// older, and the namespace has got the number of one that has ended.
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

    /// Whether it is about this interface of this container, in whatever network.
    pub(crate) fn is_of_interface(&self, id: &AttachmentId) -> bool {
        self.container_id == id.container_id && self.ifname == id.ifname
    }
}

fn text(mac: Option<Mac>) -> String {
    mac.map(|mac| mac.to_string()).unwrap_or_default()
}

/// The file of an attachment with this ending.
pub(crate) fn path_of(id: &AttachmentId, suffix: &str) -> PathBuf {
    Path::new(FOLDER).join(id.key() + suffix)
}

/// Does something that needs the folder, which is made if need be.
pub(crate) fn in_folder<T>(mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut outcome = work();
    for _ in 1..MOST_ATTEMPTS {
        match &outcome {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(FOLDER)?;
                outcome = work();
            }
            _ => break,
        }
    }
    outcome
}

fn read_file(path: &Path) -> Result<Option<Record>, RecordError> {
    let bytes = match ferrule_file::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RecordError::at("read", path)(error)),
    };
    let record = JsonValue::read(&bytes)
        .ok()
        .and_then(|node| node.decode().ok());
    Ok(record.filter(|record: &Record| !record.device.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let folder = std::env::temp_dir().join(format!("host-device-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("record.json");
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
        fs::write(&path, json::to_compact(&record)).unwrap();
        assert_eq!(read_file(&path).unwrap(), Some(record.clone()));
        assert!(record.outlives_namespace() && !record.hardware().is_unknown());
        for text in ["", "{", "[]", "{}"] {
            fs::write(&path, text).unwrap();
            assert_eq!(read_file(&path).unwrap(), None, "{text}");
        }
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read_file(&path).unwrap(), None);
    }
}
