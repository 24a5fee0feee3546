//! The keys of `macvlan`.

use cni_types::{Error, Request};
use ferrule_kernel::{MacVlanMode, Macvlan};
use ferrule_net::configured_mac;
use ferrule_net::link::{Addresses, LinkConfig, LinkSpec, Master, Modes};
use serde::Deserialize;

/// The values of the key `mode`.
pub(crate) const MODES: Modes<MacVlanMode> = Modes {
    plugin: "macvlan",
    all: &[
        ("bridge", MacVlanMode::Bridge),
        ("private", MacVlanMode::Private),
        ("vepa", MacVlanMode::Vepa),
        ("passthru", MacVlanMode::Passthrough),
    ],
};

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "runtimeConfig is the key's name")]
pub struct Config {
    /// The interface that the link is created on; that of the default route if absent.
    master: Option<String>,
    /// Which other macvlan links of the master it reaches; `bridge` if absent.
    #[cfg_attr(test, schemars(extend("enum" = MODES.list())))]
    mode: String,
    /// MTU in bytes, at most the master's; 0 is the master's.
    #[cfg_attr(test, schemars(range(min = 0)))]
    mtu: i64,
    /// Hardware address; the kernel's choice if absent.
    #[cfg_attr(test, schemars(extend("format" = "mac")))]
    mac: String,
    /// Look the master up in the container.
    link_in_container: bool,
    /// How many broadcast and multicast frames the master queues; 0 is the kernel's 1000.
    bcqueuelen: u32,
    /// `mac`: hardware address.
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
struct RuntimeConfig {
    /// Hardware address.
    #[cfg_attr(test, schemars(extend("format" = "mac")))]
    mac: String,
}

impl LinkConfig for Config {
    type Settings = Macvlan;

    fn spec(&self, request: &Request) -> Result<LinkSpec<'_, Macvlan>, Error> {
        let args = request.cni_args(&["MAC"])?;
        Ok(LinkSpec {
            master: Some(Master::new(self.master.as_deref(), self.link_in_container)),
            mtu: self.mtu,
            mac: configured_mac([
                ("runtimeConfig.mac", self.runtime_config.mac.as_str()),
                ("CNI_ARGS MAC", args.value("MAC").unwrap_or_default()),
                ("mac", self.mac.as_str()),
            ])?,
            addresses: Addresses::Optional,
            settings: Macvlan {
                mode: MODES.parse(&self.mode)?,
                broadcast_queue: (self.bcqueuelen > 0).then_some(self.bcqueuelen),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridge_is_the_default_mode() {
        assert_eq!(MODES.parse("").unwrap(), MacVlanMode::Bridge);
        let error = MODES.parse("source").unwrap_err();
        assert!(error.details.contains("bridge, private, vepa or passthru"));
    }
}
