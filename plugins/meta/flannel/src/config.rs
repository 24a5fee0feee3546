//! The keys of `flannel`.

use std::path::{Path, PathBuf};

use cni_types::{Code, Error};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Default path of the subnet file, which flanneld writes.
const SUBNET_FILE: &str = "/run/flannel/subnet.env";
/// Default folder of the records.
const DATA_DIR: &str = "/var/lib/cni/flannel";

/// The configuration of a flannel network.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// Path of the subnet file, which flanneld writes.
    subnet_file: Option<PathBuf>,
    /// Folder of the records: the configurations of the delegates.
    data_dir: Option<PathBuf>,
    /// Keys of the delegate's configuration.
    pub(crate) delegate: Map<String, Value>,
    /// Keys of the delegate's `ipam`.
    pub(crate) ipam: Map<String, Value>,
    /// `runtimeConfig`, passed on to the delegate, even if it is empty.
    #[serde(rename = "runtimeConfig")]
    pub(crate) runtime: Option<Map<String, Value>>,
}

impl Config {
    /// Path of the subnet file.
    pub(crate) fn subnet_file(&self) -> Result<&Path, Error> {
        path("subnetFile", self.subnet_file.as_deref(), SUBNET_FILE)
    }

    /// The folder of the records.
    pub(crate) fn data_dir(&self) -> Result<&Path, Error> {
        path("dataDir", self.data_dir.as_deref(), DATA_DIR)
    }
}

fn path<'c>(key: &str, value: Option<&'c Path>, default: &'static str) -> Result<&'c Path, Error> {
    match value {
        None => Ok(Path::new(default)),
        Some(path) if path.as_os_str().is_empty() => {
            let msg = format!("key {key:?} is empty");
            let hint = format!("leave it out for {default}");
            Err(Error::new(Code::InvalidConfig, msg).details(hint))
        }
        Some(path) => Ok(path),
    }
}
