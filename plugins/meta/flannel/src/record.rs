//! The record of an attachment: the delegate's configuration, written before the delegate runs.
//!
//! DEL passes the delegate the configuration of ADD, whatever the subnet file has by then. The Go
//! plugin names the file by the container only, so two interfaces of one container share a name:
//!
//! ```text
//! <dataDir>/<container>                   the file of the Go plugin
//! <dataDir>/<container>:<interface>       the same file (a hard link), or that of another interface
//! <dataDir>/<container>:<interface>:new   the file while it is written, under a lock
//! ```
//!
//! Neither container ids nor interface names contain a colon. A file of the Go plugin has one name.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ferrule_plugin::{RecordError, remove_file};
use nix::unistd::geteuid;

use crate::delegate_config::DelegateConfig;

/// Suffix of a file while it is written.
pub(crate) const TEMP_SUFFIX: &str = ":new";

/// The content of a record.
#[derive(Debug)]
pub(crate) enum Content {
    /// No record: ADD did not run the delegate, or DEL is complete.
    Absent,
    /// The delegate's standard input at ADD, as bytes and parsed.
    Config(Vec<u8>, DelegateConfig),
    /// The file is not a configuration, as a killed Go plugin leaves it; why.
    Torn(String),
    /// The file cannot be read or trusted, or belongs to another network; why.
    Unusable(String),
}

/// The record of one attachment.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    folder: PathBuf,
    network: String,
    container: PathBuf,
    own: PathBuf,
    temp: PathBuf,
}

impl Record {
    pub(crate) fn new(folder: &Path, network: &str, container_id: &str, ifname: &str) -> Self {
        let own = format!("{container_id}:{ifname}");
        Self {
            folder: folder.to_owned(),
            network: network.to_owned(),
            container: folder.join(container_id),
            temp: folder.join(format!("{own}{TEMP_SUFFIX}")),
            own: folder.join(own),
        }
    }

    pub(crate) fn read(&self) -> Content {
        if let Err(error) = ensure_private(&self.folder) {
            return Content::Unusable(error.to_string());
        }
        match self.read_file(&self.own) {
            Content::Absent if is_shared(&self.container) => Content::Absent,
            Content::Absent => self.read_file(&self.container),
            content => content,
        }
    }

    fn read_file(&self, path: &Path) -> Content {
        let shown = path.display();
        let bytes = match ferrule_file::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Content::Absent,
            Err(error) => {
                return Content::Unusable(RecordError::at("read", path)(error).to_string());
            }
        };
        match DelegateConfig::read(&bytes) {
            None => Content::Torn(format!("{shown} holds no configuration")),
            Some(config) if config.network() != self.network => {
                Content::Unusable(format!("{shown} is that of another network"))
            }
            Some(config) => Content::Config(bytes, config),
        }
    }

    /// Writes the record, replacing an earlier one of this attachment. The file of another interface of
    /// the container stays.
    pub(crate) fn write(&self, text: &[u8]) -> Result<(), RecordError> {
        let mut folder = DirBuilder::new();
        let created = folder.recursive(true).mode(0o700).create(&self.folder);
        created.map_err(RecordError::at("create", &self.folder))?;
        ensure_private(&self.folder)?;
        let is_new = !self.own.exists();
        let temp = self.open_temp()?;
        let written = self.write_files(temp, text);
        if written.is_err() {
            // An earlier record stays. The first error is returned.
            let _ = if is_new {
                self.remove()
            } else {
                remove_file(&self.temp)
            };
        }
        written
    }

    /// Opens and locks the temporary file; the lock shows GC that the writer is alive.
    fn open_temp(&self) -> Result<File, RecordError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let opened = options.open(&self.temp).and_then(|file| {
            file.try_lock()?;
            file.set_len(0)?;
            Ok(file)
        });
        opened.map_err(RecordError::at("lock", &self.temp))
    }

    fn write_files(&self, mut temp: File, text: &[u8]) -> Result<(), RecordError> {
        // Reserved addresses survive a restart of the node, and so must the record.
        let written = temp.write_all(text).and_then(|()| temp.sync_all());
        written.map_err(RecordError::at("write", &self.temp))?;
        if self.is_linked() {
            remove_file(&self.container)?;
        }
        fs::rename(&self.temp, &self.own).map_err(RecordError::at("write", &self.own))?;
        match fs::hard_link(&self.own, &self.container) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(RecordError::at("write", &self.container)(error))
            }
            _ => Ok(()),
        }
    }

    /// Restores an earlier record of this attachment.
    pub(crate) fn restore(&self, earlier: &[u8]) -> Result<(), RecordError> {
        let is_go_file = |found: Metadata| found.nlink() == 1;
        if fs::symlink_metadata(&self.container).is_ok_and(is_go_file) {
            // The file of the Go plugin was not replaced.
            return self.remove();
        }
        self.write(earlier)
    }

    /// Removes the record, if there is one.
    pub(crate) fn remove(&self) -> Result<(), RecordError> {
        remove_file(&self.temp)?;
        if self.is_linked() || (!self.own.exists() && !is_shared(&self.container)) {
            remove_file(&self.container)?;
        }
        remove_file(&self.own)
    }

    /// Whether both names belong to the same file.
    fn is_linked(&self) -> bool {
        let identity = |path: &Path| {
            let found = fs::symlink_metadata(path).ok()?;
            Some((found.dev(), found.ino()))
        };
        let own = identity(&self.own);
        own.is_some() && own == identity(&self.container)
    }
}

/// Whether the file has a second name, that of an interface.
pub(crate) fn is_shared(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.nlink() > 1)
}

/// Fails if others can write to the folder: a record determines which executable runs as root.
pub(crate) fn ensure_private(folder: &Path) -> Result<(), RecordError> {
    let refused = |found: &Metadata| {
        if !found.is_dir() {
            return Some(io::Error::from(ErrorKind::NotADirectory));
        }
        let is_ours = found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0;
        let message = "others can write to it: change its mode, or set dataDir";
        (!is_ours).then(|| io::Error::new(ErrorKind::PermissionDenied, message))
    };
    let error = match fs::metadata(folder) {
        Ok(found) => refused(&found),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => Some(error),
    };
    error.map_or(Ok(()), |error| {
        Err(RecordError::at("use folder", folder)(error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = br#"{"name":"net","type":"bridge"}"#;

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn text(record: &Record) -> Option<Vec<u8>> {
        match record.read() {
            Content::Config(bytes, _) => Some(bytes),
            Content::Absent => None,
            Content::Torn(why) | Content::Unusable(why) => panic!("{why}"),
        }
    }

    #[test]
    fn each_interface_has_its_own_and_the_first_one_the_go_plugins_too() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let record = |ifname| Record::new(&folder, "net", "c1", ifname);
        let (first, second) = (record("eth0"), record("net1"));
        let other = br#"{"name":"net","type":"ptp"}"#;
        first.write(b"x").unwrap();
        first.write(TEXT).unwrap();
        second.write(other).unwrap();
        assert_eq!(files(&folder), ["c1", "c1:eth0", "c1:net1"]);
        assert_eq!(fs::read(folder.join("c1")).unwrap(), TEXT);
        assert_eq!(
            (text(&first), text(&second)),
            (Some(TEXT.into()), Some(other.into()))
        );
        second.remove().unwrap();
        // The container's file is the first one's.
        assert_eq!(text(&second), None);
        second.remove().unwrap();
        assert_eq!(files(&folder), ["c1", "c1:eth0"]);
        first.remove().unwrap();
        first.remove().unwrap();
        assert_eq!(files(&folder), [""; 0]);
    }

    #[test]
    fn a_file_of_the_go_plugin_is_read_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::new(folder.path(), "net", "c1", "eth0");
        let path = folder.path().join("c1");
        fs::write(&path, TEXT).unwrap();
        assert_eq!(text(&record), Some(TEXT.into()));
        // A further interface, whose ADD fails.
        let second = Record::new(folder.path(), "net", "c1", "net1");
        second.write(b"{}").unwrap();
        second.remove().unwrap();
        assert_eq!(text(&record), Some(TEXT.into()));
        record.remove().unwrap();
        assert_eq!(files(folder.path()), [""; 0]);
        for text in ["", "{", "{}", r#"{"name":"net","type":7}"#] {
            fs::write(&path, text).unwrap();
            assert!(matches!(record.read(), Content::Torn(_)), "{text}");
        }
        fs::write(&path, r#"{"name":"other","type":"bridge"}"#).unwrap();
        assert!(matches!(record.read(), Content::Unusable(_)));
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let record = Record::new(folder.path(), "net", "c1", "eth0");
        record.write(TEXT).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = record.write(TEXT).unwrap_err().to_string();
        assert!(error.contains("others can write to it"), "{error}");
        assert!(matches!(record.read(), Content::Unusable(_)));
        assert!(
            Record::new(Path::new("/proc/version"), "net", "c1", "eth0")
                .write(TEXT)
                .is_err()
        );
    }
}
