//! The state folder: a record per lease, and what DEL has noted while the daemon was away.

use std::path::Path;

use ferrule_plugin::{RecordError, RecordStore};

use crate::lease::{LeaseKey, Record};
use crate::protocol::state_folder;

const SUFFIX: &str = ".json";

/// The state folder of a daemon.
#[derive(Debug)]
pub(crate) struct State {
    leases: RecordStore,
    releases: RecordStore,
}

impl State {
    /// The state of the daemon that listens on `socket`.
    pub(crate) fn of(socket: &Path) -> Self {
        let folder = state_folder(socket);
        Self {
            leases: RecordStore::synced(folder.join("leases"), SUFFIX),
            releases: RecordStore::synced(folder.join("releases"), SUFFIX),
        }
    }

    /// Writes the record of a lease.
    pub(crate) fn write(&self, record: &Record) -> Result<(), RecordError> {
        self.leases.write(&record.key.file_name(), record)
    }

    /// Removes the record of a lease, and the note that it is to be released.
    pub(crate) fn remove(&self, key: &LeaseKey) -> Result<(), RecordError> {
        self.leases.remove(&key.file_name())?;
        self.releases.remove(&key.file_name())
    }

    /// The records of all leases; what is none is left out, and does not keep others from their leases.
    pub(crate) fn records(&self) -> Result<Vec<Record>, RecordError> {
        let mut records: Vec<Record> = Vec::new();
        for name in self.leases.names()? {
            match self.leases.read::<Record>(&name) {
                Ok(Some(record)) if record.key.file_name() == name => records.push(record),
                // Its writing was interrupted, so nothing has been asked of a server.
                Ok(_) => self.leases.remove(&name)?,
                Err(error) => log::warn!("{error}"),
            }
        }
        Ok(records)
    }

    /// Whether there is a lease of this key.
    pub(crate) fn has(&self, key: &LeaseKey) -> Result<bool, RecordError> {
        Ok(self.leases.read::<Record>(&key.file_name())?.is_some())
    }

    /// Notes that a lease is to be released.
    pub(crate) fn note_release(&self, key: &LeaseKey) -> Result<(), RecordError> {
        self.releases.write(&key.file_name(), key)
    }

    /// Whether it has been noted that the lease is to be released.
    pub(crate) fn is_release_noted(&self, key: &LeaseKey) -> Result<bool, RecordError> {
        Ok(self.releases.read::<LeaseKey>(&key.file_name())?.is_some())
    }

    /// The leases that are to be released.
    pub(crate) fn noted_releases(&self) -> Result<Vec<LeaseKey>, RecordError> {
        let mut keys = Vec::new();
        for name in self.releases.names()? {
            keys.extend(self.releases.read(&name).unwrap_or_default());
        }
        Ok(keys)
    }
}
