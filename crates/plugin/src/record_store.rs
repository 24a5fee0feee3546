//! The store of records: what a plugin writes down about an attachment before it acts on it.
//!
//! One file per record, in a folder that belongs to root. A file is replaced by renaming, so a
//! killed process leaves the old record or the new one. DEL and CHECK read one file by its name;
//! only GC lists the folder.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use cni_types::json::{self, JsonValue};
use cni_types::{Code, Error};
use ferrule_file::{TEMP_SUFFIX, create_private_folder, io_text, temp_path};
use nix::unistd::geteuid;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Another process may remove the empty folder between two steps of this one.
const MAX_ATTEMPTS: u32 = 5;

/// A file operation on records that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {path:?}: {}", io_text(.source))]
pub struct RecordError {
    /// Completes "cannot … PATH".
    pub operation: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// The kernel's answer.
    pub source: io::Error,
}

impl RecordError {
    /// For `map_err`.
    pub fn at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self {
            operation,
            path,
            source,
        }
    }
}

impl From<RecordError> for Error {
    fn from(error: RecordError) -> Self {
        Self::new(Code::Io, error.to_string())
    }
}

/// A folder of records.
#[derive(Debug)]
pub struct RecordStore {
    folder: PathBuf,
    suffix: &'static str,
    synced: bool,
}

impl RecordStore {
    /// The records in `folder`, which need not exist. The name of each file ends in `suffix`.
    pub fn at(folder: impl Into<PathBuf>, suffix: &'static str) -> Self {
        Self {
            folder: folder.into(),
            suffix,
            synced: false,
        }
    }

    /// As [`Self::at`]; a record survives a loss of power once it is written.
    pub fn synced(folder: impl Into<PathBuf>, suffix: &'static str) -> Self {
        Self {
            synced: true,
            ..Self::at(folder, suffix)
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of a record. `name` is part of the file's name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{}", self.suffix))
    }

    /// Reads a record; none if there is no file, or one whose content is no record. A link, or a file
    /// of another user, is an error.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, RecordError> {
        let path = self.path(name);
        match ferrule_file::read_own(&path) {
            Ok(bytes) => Ok(JsonValue::read(&bytes)
                .ok()
                .and_then(|value| value.decode().ok())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RecordError::at("read", &path)(error)),
        }
    }

    /// Writes a record in place of an earlier one.
    pub fn write(&self, name: &str, record: &impl Serialize) -> Result<(), RecordError> {
        let path = self.path(name);
        let text = json::to_compact(record);
        let write = || {
            ensure_owned(&self.folder)?;
            if self.synced {
                ferrule_file::write_synced(&path, text.as_bytes())
            } else {
                ferrule_file::write(&path, text.as_bytes())
            }
        };
        let mut outcome = write();
        for _ in 1..MAX_ATTEMPTS {
            match &outcome {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let failed = RecordError::at("create", &self.folder);
                    create_private_folder(&self.folder).map_err(failed)?;
                    outcome = write();
                }
                _ => break,
            }
        }
        outcome.map_err(RecordError::at("write", &path))
    }

    /// Removes a record, if there is one, and the folder with the last one.
    pub fn remove(&self, name: &str) -> Result<(), RecordError> {
        let path = self.path(name);
        remove_file(&temp_path(&path))?;
        remove_file(&path)?;
        // Fails while there are other records.
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }

    /// The names of all records, in order, including those whose writing was interrupted.
    pub fn names(&self) -> Result<Vec<String>, RecordError> {
        let failed = |error| RecordError::at("list", &self.folder)(error);
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(failed)?.file_name();
            let name = file.to_str().and_then(|file| {
                let file = file.strip_suffix(TEMP_SUFFIX).unwrap_or(file);
                file.strip_suffix(self.suffix)
            });
            names.extend(name.map(str::to_owned));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

/// Removes a file, if there is one.
pub fn remove_file(path: &Path) -> Result<(), RecordError> {
    match fs::remove_file(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(())
        }
        outcome => outcome.map_err(RecordError::at("remove", path)),
    }
}

/// Fails if others than the user of this process can put files into the folder.
fn ensure_owned(folder: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(folder)?;
    if found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    let message = "others can write to its folder: remove it, or take that right away";
    Err(io::Error::new(ErrorKind::PermissionDenied, message))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_removed_without_a_trace() {
        let parent = tempfile::tempdir().unwrap();
        let store = RecordStore::at(parent.path().join("a/b"), ".json");
        assert_eq!(store.read::<u32>("x").unwrap(), None);
        store.remove("x").unwrap();
        store.write("x", &7).unwrap();
        store.write("x", &8).unwrap();
        assert_eq!(store.read::<u32>("x").unwrap(), Some(8));
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(store.folder()), 0o700);
        assert_eq!(mode(&store.path("x")), 0o600);
        store.remove("x").unwrap();
        assert!(!store.folder().exists());
    }

    #[test]
    fn what_is_no_record_counts_as_none_and_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let store = RecordStore::at(folder.path(), ".json");
        store.write("whole", &1).unwrap();
        for (file, text) in [("torn.json", "{"), ("killed.json.new", ""), ("x.netns", "")] {
            fs::write(folder.path().join(file), text).unwrap();
        }
        assert_eq!(store.names().unwrap(), ["killed", "torn", "whole"]);
        for name in ["torn", "killed"] {
            assert_eq!(store.read::<u32>(name).unwrap(), None);
            store.remove(name).unwrap();
        }
        assert_eq!(store.names().unwrap(), ["whole"]);
    }

    #[test]
    fn nothing_is_written_where_others_can_write() {
        let folder = tempfile::tempdir().unwrap();
        let store = RecordStore::at(folder.path(), "");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = store.write("x", &1).unwrap_err().to_string();
        assert!(error.contains("others can write to its folder"), "{error}");
    }
}
