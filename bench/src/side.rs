//! The two suites being compared.

use std::path::{Path, PathBuf};

use ferrule_testkit::{PEER_FOLDER, binaries_folder};

/// A folder of plugin executables.
pub(crate) struct Side {
    /// How the report calls it, also part of names on the host, so that the sides share nothing.
    pub(crate) name: &'static str,
    pub(crate) folder: PathBuf,
}

impl Side {
    pub(crate) fn ours() -> Self {
        Self {
            name: "ours",
            folder: binaries_folder(),
        }
    }

    /// Debian's package `containernetworking-plugins`.
    pub(crate) fn peer() -> Self {
        Self {
            name: "go",
            folder: PathBuf::from(PEER_FOLDER),
        }
    }

    pub(crate) fn executable(&self, plugin: &str) -> PathBuf {
        self.folder.join(plugin)
    }

    pub(crate) fn has(&self, plugin: &str) -> bool {
        Path::is_file(&self.executable(plugin))
    }

    /// Size of one executable in bytes.
    pub(crate) fn size(&self, plugin: &str) -> Option<u64> {
        std::fs::metadata(self.executable(plugin))
            .map(|metadata| metadata.len())
            .ok()
    }
}
