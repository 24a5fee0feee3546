//! The keys of `tap`, and what they mean together.

use cni_types::{Error, Request};
use ferrule_kernel::Mac;
use ferrule_net::configured_mac;
use serde::Deserialize;

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// Let several processes or threads attach at once, a queue each.
    multi_queue: bool,
    /// MTU in bytes; 0 is the kernel's default.
    mtu: u32,
    /// Hardware address; random if absent.
    mac: String,
    /// Who may attach, as a user id.
    owner: Option<u32>,
    /// Which group may attach, as a group id.
    group: Option<u32>,
    /// `SELinux` context of the link.
    selinux_context: String,
    /// The bridge inside the container that the link becomes a port of.
    bridge: String,
    #[serde(rename = "runtimeConfig")]
    from_runtime: FromRuntime,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FromRuntime {
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

impl Settings {
    pub(crate) fn new(config: &Config, request: &Request) -> Result<Self, Error> {
        let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Self {
            multi_queue: config.multi_queue,
            mtu: (config.mtu > 0).then_some(config.mtu),
            mac: config.mac(request)?,
            owner: config.owner,
            group: config.group,
            selinux_context: set(&config.selinux_context),
            bridge: set(&config.bridge),
        })
    }
}

impl Config {
    fn mac(&self, request: &Request) -> Result<Option<Mac>, Error> {
        let args = request.cni_args(&["MAC"])?;
        configured_mac([
            ("runtimeConfig.mac", self.from_runtime.mac.as_str()),
            ("CNI_ARGS MAC", args.value("MAC").unwrap_or_default()),
            ("mac", self.mac.as_str()),
        ])
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
