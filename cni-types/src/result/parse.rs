//! Reading results of every version.

use std::net::IpAddr;

use serde::Deserialize;

use super::{CniResult, Interface, IpConfig, ResultError};
use crate::json::JsonValue;
use crate::{Cidr, Dns, Family, Route, SpecVersion, optional_address};

/// The form of 0.1.0 and 0.2.0.
#[derive(Deserialize)]
struct Legacy {
    #[serde(default)]
    ip4: Option<LegacyIp>,
    #[serde(default)]
    ip6: Option<LegacyIp>,
    #[serde(default)]
    dns: Dns,
}

#[derive(Deserialize)]
struct LegacyIp {
    ip: Cidr,
    #[serde(default, deserialize_with = "optional_address")]
    gateway: Option<IpAddr>,
    #[serde(default)]
    routes: Vec<Route>,
}

/// The form since 0.3.0; the IP version of the older ones repeats what the address says.
#[derive(Deserialize)]
struct List {
    #[serde(default)]
    interfaces: Vec<Interface>,
    #[serde(default)]
    ips: Vec<IpConfig>,
    #[serde(default)]
    routes: Vec<Route>,
    #[serde(default)]
    dns: Dns,
}

impl CniResult {
    /// Reads a result as a plugin printed it.
    ///
    /// Its own `cniVersion` decides; where that is absent, `default` does. `null` is an empty result.
    pub fn read(bytes: &[u8], default: SpecVersion) -> Result<(SpecVersion, Self), ResultError> {
        let json = JsonValue::read(bytes).map_err(|error| ResultError::Json(error.to_string()))?;
        let version = match json.text_field("cniVersion") {
            None | Some("") => default,
            Some(text) => text
                .parse()
                .map_err(|_| ResultError::UnknownVersion(text.to_owned()))?,
        };
        Ok((version, Self::from_json(&json, version)?))
    }

    /// Reads the previous result of a configuration of `version`.
    ///
    /// Any version with the same form will do; another form is an error, as in the Go library.
    pub fn from_prev_result(json: &JsonValue, version: SpecVersion) -> Result<Self, ResultError> {
        let family = version.family();
        let own = match json.text_field("cniVersion") {
            None | Some("") => Ok(version),
            Some(text) => text.parse::<SpecVersion>().map_err(|_| text.to_owned()),
        };
        let own = own.and_then(|own| {
            if own.family() == family {
                Ok(own)
            } else {
                Err(own.to_string())
            }
        });
        let own = own.map_err(|version| {
            let same = |v: &SpecVersion| v.family() == family;
            let supported: Vec<_> = SpecVersion::ALL.into_iter().filter(same).collect();
            ResultError::ForeignVersion {
                supported: SpecVersion::listed(&supported),
                version,
            }
        })?;
        Self::from_json(json, own)
    }

    /// Reads a result known to be of `version`.
    pub fn from_json(json: &JsonValue, version: SpecVersion) -> Result<Self, ResultError> {
        let decode = |error| ResultError::Decode { version, error };
        match version.family() {
            Family::Legacy => json.decode::<Legacy>().map(Self::from).map_err(decode),
            Family::List | Family::Current => json.decode::<List>().map(Self::from).map_err(decode),
        }
    }
}

impl From<Legacy> for CniResult {
    fn from(legacy: Legacy) -> Self {
        let mut result = Self {
            dns: legacy.dns,
            legacy: true,
            ..Self::default()
        };
        for ip in [legacy.ip4, legacy.ip6].into_iter().flatten() {
            result.ips.push(IpConfig {
                interface: None,
                address: ip.ip,
                gateway: ip.gateway,
            });
            result.routes.extend(ip.routes);
        }
        result
    }
}

impl From<List> for CniResult {
    fn from(list: List) -> Self {
        let List {
            interfaces,
            ips,
            routes,
            dns,
        } = list;
        Self {
            interfaces,
            ips,
            routes,
            dns,
            legacy: false,
        }
    }
}
