//! The keys of static. Other keys are ignored at every level.

use std::net::IpAddr;

use cni_types::{Dns, Route, optional_address};
use serde::Deserialize;

/// The network configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Config {
    /// The plugin's keys; only DEL and GC work without it.
    pub(crate) ipam: Option<IpamConfig>,
    /// The capability `ips`.
    #[serde(rename = "runtimeConfig")]
    pub(crate) runtime: Ips,
    /// The older convention.
    pub(crate) args: Args,
}

/// `ipam`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct IpamConfig {
    /// The addresses that every container gets.
    pub(crate) addresses: Vec<AddressConfig>,
    /// Copied to the result as they are, several to one destination included.
    #[cfg_attr(test, schemars(with = "Vec<ferrule_schema::Route>"))]
    pub(crate) routes: Vec<Route>,
    /// Copied to the result.
    #[cfg_attr(test, schemars(with = "ferrule_schema::Dns"))]
    pub(crate) dns: Dns,
}

/// One address. The key matches in any letter case, also as `Address`, which the Go plugin refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct AddressConfig {
    /// With its prefix length, `10.1.2.3/24`.
    #[cfg_attr(test, schemars(extend("format" = "cidr")))]
    pub(crate) address: String,
    /// The gateway; none if absent.
    #[serde(deserialize_with = "optional_address")]
    #[cfg_attr(test, schemars(with = "Option<String>", extend("format" = "ip")))]
    pub(crate) gateway: Option<IpAddr>,
}

/// `runtimeConfig`, and `args.cni`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Ips {
    /// Addresses with prefix lengths; they replace all others.
    pub(crate) ips: Vec<String>,
}

/// `args`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Args {
    /// `cni`.
    pub(crate) cni: Ips,
}
