//! The keys of `tuning`.

use cni_types::{Code, Error, Request};
use ferrule_net::configured_mac;
use serde::Deserialize;

use crate::link_settings::LinkSettings;
use crate::sysctl::{Sysctl, SysctlKeys, merged};

/// The configuration.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "runtimeConfig is the key's name")]
pub struct Config {
    /// Settings below `/proc/sys/net`, by name.
    #[cfg_attr(test, schemars(with = "std::collections::BTreeMap<String, String>"))]
    sysctl: SysctlKeys,
    /// The interface's MAC address.
    #[cfg_attr(test, schemars(extend("format" = "mac")))]
    mac: String,
    /// Whether to enable promiscuous mode; false leaves it unchanged.
    promisc: bool,
    /// The interface's MTU in bytes; 0 leaves it unchanged.
    #[cfg_attr(test, schemars(range(min = 0)))]
    mtu: i64,
    /// Whether the interface receives all multicast packets.
    allmulti: Option<bool>,
    /// Length of the transmit queue in packets.
    #[cfg_attr(test, schemars(range(min = 0)))]
    tx_q_len: Option<i64>,
    /// Folder of the records; the default if empty.
    pub(crate) data_dir: String,
    /// `mac`: the interface's MAC address.
    runtime_config: RuntimeConfig,
    /// `cni`: keys that stand for those of the same name above.
    args: Args,
}

/// Capability arguments of the runtime.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
struct RuntimeConfig {
    /// The interface's MAC address.
    #[cfg_attr(test, schemars(extend("format" = "mac")))]
    mac: String,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
struct Args {
    cni: Overrides,
}

/// Values in `args.cni` that replace the keys of the same name.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
struct Overrides {
    #[cfg_attr(test, schemars(with = "std::collections::BTreeMap<String, String>"))]
    sysctl: SysctlKeys,
    mac: String,
    promisc: Option<bool>,
    mtu: Option<i64>,
    allmulti: Option<bool>,
    tx_q_len: Option<i64>,
}

/// The checked configuration.
#[derive(Debug)]
pub struct Plan {
    pub(crate) sysctls: Vec<Sysctl>,
    pub(crate) link: LinkSettings,
}

impl Plan {
    /// Checks the configuration; `None` if nothing is configured.
    pub(crate) fn new(config: &Config, request: &Request) -> Result<Option<Self>, Error> {
        let over = &config.args.cni;
        let args = request.cni_args(&["MAC"])?;
        let mac = configured_mac([
            ("args.cni.mac", over.mac.as_str()),
            ("runtimeConfig.mac", config.runtime_config.mac.as_str()),
            ("CNI_ARGS MAC", args.value("MAC").unwrap_or_default()),
            ("mac", config.mac.as_str()),
        ])?;
        let mtu = over.mtu.unwrap_or(config.mtu);
        let tx_q_len = over.tx_q_len.or(config.tx_q_len);
        let plan = Self {
            sysctls: merged(&config.sysctl, &over.sysctl, &request.ifname)?,
            link: LinkSettings {
                mac,
                promisc: Some(over.promisc.unwrap_or(config.promisc)).filter(|on| *on),
                mtu: Some(number("mtu", mtu)?).filter(|mtu| *mtu > 0),
                allmulti: over.allmulti.or(config.allmulti),
                tx_q_len: tx_q_len.map(|len| number("txQLen", len)).transpose()?,
            },
        };
        Ok(Some(plan).filter(|plan| !plan.sysctls.is_empty() || !plan.link.is_empty()))
    }
}

/// A number in the kernel's range; the driver checks its own limits.
fn number(key: &str, value: i64) -> Result<u32, Error> {
    let most = i64::from(i32::MAX);
    u32::try_from(value)
        .ok()
        .filter(|_| value <= most)
        .ok_or_else(|| {
            let msg = format!("key {key} {value}: expected a number from 0 to {most}");
            Error::new(Code::InvalidConfig, msg)
        })
}
