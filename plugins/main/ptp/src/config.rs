//! The keys of `ptp`.

use cni_types::Error;
use ferrule_net::masquerade::MasqueradeConfig;
use serde::Deserialize;

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("required" = ["ipam"])))]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// Masquerade what leaves the container.
    ip_masq: bool,
    /// The packet filter that masquerades: `iptables` or `nftables`.
    #[cfg_attr(test, schemars(extend("enum" = ["iptables", "nftables"])))]
    ip_masq_backend: Option<String>,
    /// MTU of both ends of the pair, in bytes; 0 is the kernel's default.
    mtu: u32,
}

impl Config {
    /// The masquerading, if it is configured.
    pub(crate) fn masquerade(&self) -> Result<Option<MasqueradeConfig>, Error> {
        MasqueradeConfig::of(self.ip_masq, self.ip_masq_backend.as_deref())
    }

    /// The MTU, if it is configured.
    pub(crate) fn mtu(&self) -> Option<u32> {
        (self.mtu > 0).then_some(self.mtu)
    }
}
