//! The record of an interface's settings before ADD changed them.
//!
//! ```text
//! <dataDir>/<container>_<interface>.json    the record, path and form as of the Go plugin
//! <dataDir>/<tag>                           a second name (hard link) of the same file
//! <dataDir>/<tag>.new                       a third one, while a record replaces an older one
//! ```
//!
//! The Go plugin's name does not contain the network, which GC needs: so there is the tag, a hash of
//! network, container and interface. It is created first. If another plugin replaces the file of the
//! first name, that file does not have the tag, and GC does not remove it.

use std::collections::HashSet;
use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirEntryExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use cni_types::json::JsonValue;
use cni_types::{Attachments, Request};
use ferrule_file::create_private_folder;
use ferrule_net::{AttachmentId, Tags};
use ferrule_plugin::{RecordError, remove_file};
use serde::Serialize as _;
use serde_json::ser::PrettyFormatter;

use crate::link_settings::LinkSettings;

/// Default folder of the records; on a tmpfs, so that a restart of the node removes it.
const FOLDER: &str = "/run/cni/tuning";

/// Suffix of a record that will replace another one.
const NEW: &str = ".new";

/// The record of an attachment, which need not exist.
#[derive(Clone, Debug)]
pub(crate) struct Backup {
    path: PathBuf,
    tag: PathBuf,
    new: PathBuf,
}

/// The folder of records: `dataDir`, or the default.
pub(crate) fn folder(data_dir: &str) -> &Path {
    Path::new(if data_dir.is_empty() {
        FOLDER
    } else {
        data_dir
    })
}

impl Backup {
    pub(crate) fn new(data_dir: &str, request: &Request) -> Self {
        let folder = folder(data_dir);
        let tag = AttachmentId::of(request).tag();
        Self {
            path: folder.join(format!("{}_{}.json", request.container_id, request.ifname)),
            new: folder.join(format!("{tag}{NEW}")),
            tag: folder.join(tag),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The recorded settings, if there is a record. A file of another user, or anything but a regular
    /// file, is an error.
    pub(crate) fn read(&self) -> Result<Option<LinkSettings>, RecordError> {
        let failed = |source| RecordError::at("read", &self.path)(source);
        let bytes = match ferrule_file::read_own(&self.path) {
            Err(error) if is_absent(&error) => return Ok(None),
            outcome => outcome.map_err(failed)?,
        };
        let node = JsonValue::read(&bytes).map_err(|error| failed(io::Error::other(error)))?;
        let settings = node
            .decode()
            .map_err(|error| failed(io::Error::other(error)))?;
        Ok(Some(settings))
    }

    /// Writes the record, replacing an older one.
    pub(crate) fn write(&self, settings: &LinkSettings) -> Result<(), RecordError> {
        remove_file(&self.tag)?;
        let failed = |source| RecordError::at("write", &self.path)(source);
        let text = text_of(settings).map_err(|error| failed(error.into()))?;
        let mut file = self.create().map_err(failed)?;
        file.write_all(&text).map_err(failed)?;
        match fs::hard_link(&self.tag, &self.path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                remove_file(&self.new)?;
                let linked = fs::hard_link(&self.tag, &self.new);
                linked.and_then(|()| fs::rename(&self.new, &self.path))
            }
            outcome => outcome,
        }
        .map_err(failed)
    }

    /// Creates a file under the tag, and the folder if it is missing.
    fn create(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        match options.open(&self.tag) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create_private_folder(self.tag.parent().unwrap_or(Path::new("/")))?;
                options.open(&self.tag)
            }
            outcome => outcome,
        }
    }

    /// Removes the record, also one of the Go plugin.
    pub(crate) fn remove(&self) -> Result<(), RecordError> {
        remove_file(&self.new)?;
        remove_file(&self.path)?;
        remove_file(&self.tag)
    }
}

/// GC: removes the records of a network's attachments that are not in `keep`.
pub(crate) fn collect(folder: &Path, network: &str, keep: &Attachments) -> Result<(), RecordError> {
    let failed = |source| RecordError::at("read", folder)(source);
    let entries: Vec<DirEntry> = match fs::read_dir(folder).and_then(Iterator::collect) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        outcome => outcome.map_err(failed)?,
    };
    let tags = Tags::new(network, keep);
    let is_stale = |entry: &&DirEntry| {
        let name = entry.file_name();
        name.to_str()
            .is_some_and(|name| tags.is_stale(name.trim_end_matches(NEW)))
    };
    let stale: HashSet<u64> = entries
        .iter()
        .filter(is_stale)
        .map(DirEntryExt::ino)
        .collect();
    // The tag is removed last: until then the next GC finds the other names by it.
    let (tagged, other): (Vec<_>, Vec<_>) = entries
        .iter()
        .filter(|entry| stale.contains(&entry.ino()))
        .partition(is_stale);
    other
        .iter()
        .chain(&tagged)
        .try_for_each(|entry| remove_file(&entry.path()))
}

/// The text of the record, as the Go plugin writes it.
fn text_of(settings: &LinkSettings) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::new();
    let format = PrettyFormatter::with_indent(b" ");
    settings.serialize(&mut serde_json::Serializer::with_formatter(
        &mut text, format,
    ))?;
    Ok(text)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_byte_by_byte_that_of_the_go_plugin() {
        let settings = LinkSettings {
            mac: Some("02:00:00:00:00:0A".parse().unwrap()),
            promisc: Some(false),
            mtu: Some(1500),
            allmulti: Some(true),
            tx_q_len: Some(0),
        };
        let text = text_of(&settings).unwrap();
        let expected = "{\n \"mac\": \"02:00:00:00:00:0a\",\n \"promisc\": false,\n \
                        \"mtu\": 1500,\n \"allmulti\": true,\n \"txQLen\": 0\n}";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        let only = LinkSettings {
            mtu: Some(9000),
            ..LinkSettings::default()
        };
        assert_eq!(text_of(&only).unwrap(), b"{\n \"mtu\": 9000\n}");
    }
}
