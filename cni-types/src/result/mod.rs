//! The result of ADD, in any version.

mod parse;
mod render;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::address::address_or_empty;
use crate::{Cidr, Dns, Route, SpecVersion, optional_address};

/// The result of an ADD, in the model of the newest version.
///
/// Results of older versions are converted to and from this model by the rules of the Go library;
/// fields that an older version lacks are lost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CniResult {
    /// The interfaces of container and host; runtimes refer to them by position.
    pub interfaces: Vec<Interface>,
    /// Addresses of the container.
    pub ips: Vec<IpConfig>,
    /// Routes of the container.
    pub routes: Vec<Route>,
    /// DNS settings.
    pub dns: Dns,
    /// Read from 0.1.0 or 0.2.0 and unchanged since: rewriting it in that form loses nothing.
    pub legacy: bool,
}

/// An interface of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its MAC address, lower-case with colons; empty if it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// Its MTU in bytes; 0 means unset.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mtu: u32,
    /// The container's namespace path, empty for interfaces of the host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sandbox: String,
    /// Path of a socket that stands for the interface.
    #[serde(
        default,
        rename = "socketPath",
        skip_serializing_if = "String::is_empty"
    )]
    pub socket_path: String,
    /// PCI address of the device behind the interface.
    #[serde(default, rename = "pciID", skip_serializing_if = "String::is_empty")]
    pub pci_id: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde calls"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An address of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpConfig {
    /// Position in [`CniResult::interfaces`] of the interface that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<i64>,
    /// The address and its prefix length.
    pub address: Cidr,
    /// The gateway of its network.
    #[serde(
        default,
        deserialize_with = "optional_address",
        serialize_with = "address_or_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub gateway: Option<IpAddr>,
}

/// Why a result could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResultError {
    /// Not JSON at all.
    #[error("failed to unmarshal raw result: {0}")]
    Json(String),
    /// JSON, but not this version's result.
    #[error("could not parse result of version {version}: {error}")]
    Decode {
        /// The version it claims to have.
        version: SpecVersion,
        /// The wrong key.
        error: crate::json::DecodeError,
    },
    /// A version nobody published.
    #[error("unsupported CNI result version {0:?}")]
    UnknownVersion(String),
    /// A previous result in a form that the configuration's version does not read.
    #[error(
        "could not parse prevResult: result type supports {supported} but CNIVersion is {version:?}"
    )]
    ForeignVersion {
        /// The versions that would do.
        supported: String,
        /// The version found.
        version: String,
    },
    /// 0.1.0 and 0.2.0 have no form without an address.
    #[error("cannot convert: no valid IP addresses")]
    NoAddress,
}

impl From<ResultError> for crate::Error {
    fn from(error: ResultError) -> Self {
        Self::internal(error)
    }
}

impl CniResult {
    /// The interface of `ip`, if the result names a valid one.
    pub fn interface_of(&self, ip: &IpConfig) -> Option<&Interface> {
        self.interfaces.get(usize::try_from(ip.interface?).ok()?)
    }

    /// The result of an ADD that made these interfaces, from the result of the address plugin: all
    /// addresses are on the interface at `position`.
    #[must_use]
    pub fn with_interfaces(mut self, interfaces: Vec<Interface>, position: i64) -> Self {
        self.legacy = false;
        self.interfaces = interfaces;
        self.assign_ips(position);
        self
    }

    /// Puts all addresses on the interface at `position` of [`CniResult::interfaces`].
    fn assign_ips(&mut self, position: i64) {
        for ip in &mut self.ips {
            ip.interface = Some(position);
        }
    }

    /// Replaces the DNS settings of the IPAM result by those of the configuration, if it has any.
    pub fn override_dns(&mut self, configured: &Dns) {
        if configured.is_set() {
            self.dns = configured.clone();
        }
    }

    /// The interface named `name` inside the namespace written as `sandbox`; the last such one.
    pub fn container_interface(&self, name: &str, sandbox: &str) -> Option<&Interface> {
        self.interfaces
            .iter()
            .rev()
            .find(|i| i.name == name && i.sandbox == sandbox)
    }
}
