//! The keys of `ptp`.

use cni_types::{Code, Dns, Error};
use serde::Deserialize;

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// Masquerade what leaves the container.
    ip_masq: bool,
    /// MTU of both ends of the pair, in bytes; 0 is the kernel's default.
    mtu: u32,
    /// Name resolution; replaces what the address plugin answers.
    pub(crate) dns: Dns,
}

impl Config {
    /// Refuses what this version does not do.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.ip_masq {
            return Err(Error::new(
                Code::UnsupportedField,
                "key \"ipMasq\": true is not supported yet",
            )
            .details("set it to false, or use the Go ptp plugin for this network"));
        }
        Ok(())
    }

    /// The MTU, if one is set.
    pub(crate) fn mtu(&self) -> Option<u32> {
        (self.mtu > 0).then_some(self.mtu)
    }
}
