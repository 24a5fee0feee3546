//! The result cache: results of ADD on disk, for CHECK, DEL and GC.
//!
//! Each attachment has a file `<folder>/results/<network>-<container>-<interface>` in the format of
//! the Go library; both libraries can read each other's files. Since a hyphen is legal in all three
//! parts, the name of a file is ambiguous; its content names the attachment.

mod entry;
mod error;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use cni_types::Attachment;
use ferrule_file::os_text;

pub use entry::{Cached, Entry};
pub use error::CacheError;

/// Makes the names of temporary files of one process unique.
static WRITES: AtomicU32 = AtomicU32::new(0);

/// A folder of cached attachments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache(PathBuf);

/// A file of the cache.
#[derive(Debug)]
pub struct CacheFile {
    /// Where it is.
    pub path: PathBuf,
    /// When it was written last, which is when ADD ended.
    pub modified: Option<SystemTime>,
    /// What is in it.
    pub content: Result<Cached, CacheError>,
}

impl CacheFile {
    fn read(path: &Path) -> Self {
        let bytes = ferrule_file::read(path).map_err(|error| os_text(&error));
        let content = bytes.and_then(|bytes| Cached::read(&bytes));
        Self {
            path: path.to_owned(),
            modified: fs::metadata(path).and_then(|found| found.modified()).ok(),
            content: content.map_err(|error| CacheError::Content {
                path: path.to_owned(),
                error,
            }),
        }
    }
}

impl Default for Cache {
    /// `/var/lib/cni`, which all runtimes on the Go library share.
    fn default() -> Self {
        Self::new("/var/lib/cni")
    }
}

impl Cache {
    /// The cache under `folder`, which is created when first written to.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Stores an attachment, replacing an earlier entry.
    ///
    /// The file appears complete or not at all.
    pub fn store(&self, entry: &Entry) -> Result<(), CacheError> {
        let path = self.path(&entry.network, &entry.attachment)?;
        let text = entry.to_json();
        self.replace(&path, text.as_bytes())
            .map_err(|source| CacheError::Write { path, source })
    }

    /// The entry of an attachment; none if its file is missing or cannot be read.
    pub fn load(
        &self,
        network: &str,
        attachment: &Attachment,
    ) -> Result<Option<Cached>, CacheError> {
        let path = self.path(network, attachment)?;
        let Ok(bytes) = ferrule_file::read(&path) else {
            return Ok(None);
        };
        let cached = Cached::read(&bytes).map_err(|error| CacheError::Content { path, error })?;
        let own = match &cached {
            Cached::Entry(entry) => entry.network == network && entry.attachment == *attachment,
            // The old format has only the result.
            Cached::BareResult(_) => true,
        };
        Ok(own.then_some(cached))
    }

    /// Removes the entry of an attachment. Succeeds if there is none.
    pub fn remove(&self, network: &str, attachment: &Attachment) -> Result<(), CacheError> {
        let path = self.path(network, attachment)?;
        let other_owner = matches!(self.load(network, attachment), Ok(None));
        if other_owner {
            return Ok(());
        }
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                Err(CacheError::Write { path, source })
            }
            _ => Ok(()),
        }
    }

    /// All cached attachments, or those of one container, in the order of their file names.
    ///
    /// Skips files that are not entries.
    pub fn attachments(&self, container_id: Option<&str>) -> Result<Vec<Entry>, CacheError> {
        let wanted = |entry: &Entry| {
            let attachment = &entry.attachment;
            !entry.network.is_empty()
                && !attachment.ifname.is_empty()
                && container_id.is_none_or(|id| attachment.container_id == id)
        };
        let entry = |path: &PathBuf| match CacheFile::read(path).content {
            Ok(Cached::Entry(entry)) => Some(*entry).filter(wanted),
            _ => None,
        };
        Ok(self.paths()?.iter().filter_map(entry).collect())
    }

    /// All files of the cache in the order of their names, also those that cannot be read.
    pub fn files(&self) -> Result<Vec<CacheFile>, CacheError> {
        let read = |path: &PathBuf| CacheFile::read(path);
        Ok(self.paths()?.iter().map(read).collect())
    }

    /// The paths of the files, sorted; none if there is no folder.
    fn paths(&self) -> Result<Vec<PathBuf>, CacheError> {
        let folder = self.results();
        let unreadable = |source| CacheError::List {
            folder: folder.clone(),
            source,
        };
        let files = match fs::read_dir(&folder) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(error)),
        };
        let mut paths = Vec::new();
        for file in files {
            paths.push(file.map_err(unreadable)?.path());
        }
        paths.sort_unstable();
        Ok(paths)
    }

    fn results(&self) -> PathBuf {
        self.0.join("results")
    }

    fn path(&self, network: &str, attachment: &Attachment) -> Result<PathBuf, CacheError> {
        let Attachment {
            container_id,
            ifname,
        } = attachment;
        let parts = [network, container_id, ifname];
        // A slash could lead out of the folder.
        if parts.iter().any(|p| p.is_empty() || p.contains('/')) {
            return Err(CacheError::Name {
                network: network.to_owned(),
                container_id: container_id.clone(),
                ifname: ifname.clone(),
            });
        }
        Ok(self.results().join(parts.join("-")))
    }

    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.results())?;
        // Not inside `results`: every file there counts as an attachment.
        let number = WRITES.fetch_add(1, Ordering::Relaxed);
        let aside = self.0.join(format!(".result-{}-{number}", process::id()));
        let written = write_new(&aside, content).and_then(|()| fs::rename(&aside, path));
        if written.is_err() {
            // The first error is the one to report.
            let _ = fs::remove_file(&aside);
        }
        written
    }
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)
}
