//! The network configuration that a verb runs on.

use cni_types::{ReleaseNumber, SpecVersion};

use crate::config::{NetworkList, PluginConfig};

use super::RuntimeError;

/// The common view of a list and of a plugin configured on its own.
#[derive(Clone, Copy)]
pub(super) struct NetConf<'c> {
    pub(super) name: &'c str,
    pub(super) version: &'c str,
    pub(super) plugins: &'c [PluginConfig],
    pub(super) bytes: &'c [u8],
}

impl NetConf<'_> {
    /// Whether the configuration is of `version` or newer.
    pub(super) fn is_since(&self, version: SpecVersion) -> Result<bool, RuntimeError> {
        let own: ReleaseNumber = self.version.parse()?;
        Ok(own >= version.into())
    }
}

impl<'c> From<&'c NetworkList> for NetConf<'c> {
    fn from(list: &'c NetworkList) -> Self {
        Self {
            name: list.name(),
            version: list.version(),
            plugins: list.plugins(),
            bytes: list.bytes(),
        }
    }
}

impl<'c> From<&'c PluginConfig> for NetConf<'c> {
    fn from(plugin: &'c PluginConfig) -> Self {
        Self {
            name: plugin.name(),
            version: plugin.version(),
            plugins: std::slice::from_ref(plugin),
            bytes: plugin.bytes(),
        }
    }
}
