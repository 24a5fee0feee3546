//! The two sets of plugins that are compared.

use std::path::{Path, PathBuf};

use ferrule_testkit::{PEER_FOLDER, binaries_folder};

/// A folder of plugin executables.
pub(crate) struct Implementation {
    /// Its name in the report, also part of names on the host, so that the implementations share nothing.
    pub(crate) name: &'static str,
    pub(crate) folder: PathBuf,
}

impl Implementation {
    pub(crate) fn ours() -> Self {
        Self {
            name: "ours",
            folder: binaries_folder(),
        }
    }

    /// The Go plugins: those in `FERRULE_PEER_DIR`, which `bench/peer` sets, or those of Debian's
    /// package `containernetworking-plugins`.
    pub(crate) fn peer() -> Self {
        let folder = std::env::var_os("FERRULE_PEER_DIR");
        Self {
            name: "go",
            folder: folder.map_or_else(|| PathBuf::from(PEER_FOLDER), PathBuf::from),
        }
    }

    /// Whether it supports nftables: the Go plugins got that together with version 1.1.0 of the
    /// specification. Older ones ignore the key and use iptables.
    pub(crate) fn knows_nftables(&self) -> bool {
        let mut command = std::process::Command::new(self.executable("bridge"));
        let answer = command.env_clear().env("CNI_COMMAND", "VERSION").output();
        answer.is_ok_and(|answer| String::from_utf8_lossy(&answer.stdout).contains("1.1.0"))
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
