//! The keys of `tuning`, and what they mean together.

use cni_types::{Code, Error, Request};
use ferrule_net::configured_mac;
use serde::Deserialize;

use crate::link_settings::LinkSettings;
use crate::sysctl::{Sysctl, SysctlKeys, merged};

/// The configuration as written.
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
    /// Whether to switch promiscuous mode on; false leaves it as it is.
    promisc: bool,
    /// The interface's MTU; 0 leaves it as it is.
    #[cfg_attr(test, schemars(range(min = 0)))]
    mtu: i64,
    /// Whether the interface takes all multicast packets.
    allmulti: Option<bool>,
    /// How many packets the interface's transmit queue holds.
    #[cfg_attr(test, schemars(range(min = 0)))]
    tx_q_len: Option<i64>,
    /// Where the values before the change are kept.
    pub(crate) data_dir: String,
    /// `mac`: the interface's MAC address.
    runtime_config: RuntimeConfig,
    /// `cni`: keys that stand for those of the same name above.
    args: Args,
}

/// What the runtime sends for the capability `mac`.
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

/// Keys that stand for those of the same name one level up.
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

/// The configuration, checked.
#[derive(Debug)]
pub struct Plan {
    pub(crate) sysctls: Vec<Sysctl>,
    pub(crate) link: LinkSettings,
}

impl Plan {
    /// Checks the configuration; `None` where it asks for nothing.
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

/// A number as the kernel takes it. Which ones an interface can have is the kernel's to say.
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
