//! The keys of `tap`.

use cni_types::{Error, Request};
use ferrule_kernel::Mac;
use ferrule_net::configured_mac;
use ferrule_net::link::{Addresses, LinkConfig, LinkSpec};
use serde::Deserialize;

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// Let several processes or threads attach at once, each with a queue of its own.
    multi_queue: bool,
    /// MTU in bytes; 0 is the kernel's default.
    mtu: u32,
    /// Hardware address; random if absent.
    #[cfg_attr(test, schemars(extend("format" = "mac")))]
    mac: String,
    /// Who may attach, as a user id.
    owner: Option<u32>,
    /// Which group may attach, as a group id.
    group: Option<u32>,
    /// `SELinux` context of the link.
    selinux_context: String,
    /// The bridge inside the container that the link becomes a port of.
    bridge: String,
    /// `mac`: hardware address.
    #[serde(rename = "runtimeConfig")]
    from_runtime: FromRuntime,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
struct FromRuntime {
    /// Hardware address.
    #[cfg_attr(test, schemars(extend("format" = "mac")))]
    mac: String,
}

/// The settings of a tap link, checked: only the kernel can refuse them.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    pub(crate) multi_queue: bool,
    pub(crate) mtu: Option<u32>,
    pub(crate) mac: Option<Mac>,
    pub(crate) owner: Option<u32>,
    pub(crate) group: Option<u32>,
    pub(crate) selinux_context: Option<String>,
    pub(crate) bridge: Option<String>,
}

impl LinkConfig for Config {
    type Settings = Settings;

    fn spec(&self, request: &Request) -> Result<LinkSpec<'_, Settings>, Error> {
        let args = request.cni_args(&["MAC"])?;
        let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(LinkSpec {
            master: None,
            // In `settings` instead: the Go plugin does not always apply them.
            mtu: 0,
            mac: None,
            addresses: Addresses::Optional,
            settings: Settings {
                multi_queue: self.multi_queue,
                mtu: (self.mtu > 0).then_some(self.mtu),
                mac: configured_mac([
                    ("runtimeConfig.mac", self.from_runtime.mac.as_str()),
                    ("CNI_ARGS MAC", args.value("MAC").unwrap_or_default()),
                    ("mac", self.mac.as_str()),
                ])?,
                owner: self.owner,
                group: self.group,
                selinux_context: set(&self.selinux_context),
                bridge: set(&self.bridge),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use cni_types::json::JsonValue;

    use super::*;

    fn config(text: &str) -> Config {
        JsonValue::read(text.as_bytes()).unwrap().decode().unwrap()
    }

    #[test]
    fn owner_zero_is_an_owner() {
        let config =
            config(r#"{"OWNER": 0, "group": null, "multiQueue": true, "args": {"cni": 1}}"#);
        assert_eq!(
            (config.owner, config.group, config.multi_queue),
            (Some(0), None, true)
        );
    }
}
