//! The keys of static. Other keys are ignored at every level.

use std::net::IpAddr;

use cni_types::{Dns, Route, optional_address};
use serde::Deserialize;

/// The network configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `ipam`; only DEL and GC work without it.
    pub(crate) ipam: Option<IpamConfig>,
    /// `runtimeConfig`: the capability `ips`.
    #[serde(rename = "runtimeConfig")]
    pub(crate) runtime: Ips,
    /// `args`: the older convention.
    pub(crate) args: Args,
}

/// `ipam`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IpamConfig {
    /// `addresses`.
    pub(crate) addresses: Vec<AddressConfig>,
    /// `routes`: copied to the result as they are, several to one destination included.
    pub(crate) routes: Vec<Route>,
    /// `dns`: copied to the result.
    pub(crate) dns: Dns,
}

/// One address. The key matches in any letter case, also as `Address`, which the Go plugin refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct AddressConfig {
    /// `address`: with its prefix length, `10.1.2.3/24`.
    pub(crate) address: String,
    /// `gateway`: none if left out.
    #[serde(deserialize_with = "optional_address")]
    pub(crate) gateway: Option<IpAddr>,
}

/// `runtimeConfig`, and `args.cni`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ips {
    /// `ips`: addresses with prefix lengths; they replace all others.
    pub(crate) ips: Vec<String>,
}

/// `args`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Args {
    /// `cni`.
    pub(crate) cni: Ips,
}
