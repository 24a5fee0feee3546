//! Writing results in every version, with keys in the order the Go plugins write them.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value, json};

use super::{CniResult, Interface, IpConfig, ResultError};
use crate::address::address_or_empty;
use crate::{Cidr, Dns, Family, Route, SpecVersion, json};

impl CniResult {
    /// What `version` can say of the result: reading back what [`Self::to_json`] writes gives the same.
    ///
    /// The lists of 0.3.0 know less of an interface. 0.1.0 and 0.2.0 know one address of each family
    /// and the routes of that family.
    pub fn in_version(mut self, version: SpecVersion) -> Result<Self, ResultError> {
        let family = version.family();
        if family == Family::Legacy && !self.legacy {
            self.keep_one_ip_per_family()?;
        }
        if family == Family::List {
            for interface in &mut self.interfaces {
                interface.mtu = 0;
                interface.socket_path.clear();
                interface.pci_id.clear();
            }
        }
        self.legacy = family == Family::Legacy;
        Ok(self)
    }

    fn keep_one_ip_per_family(&mut self) -> Result<(), ResultError> {
        let first = |ipv4| self.ips.iter().find(|ip| ip.address.is_ipv4() == ipv4);
        let kept: Vec<IpConfig> = [first(true), first(false)]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        if kept.is_empty() {
            return Err(ResultError::NoAddress);
        }
        let is_of = |route: &Route, ip: &IpConfig| route.dst.is_ipv4() == ip.address.is_ipv4();
        let routes = |ip| self.routes.iter().filter(move |route| is_of(route, ip));
        self.routes = kept
            .iter()
            .flat_map(routes)
            .map(|route| Route::new(route.dst, route.gw))
            .collect();
        self.interfaces.clear();
        self.ips = kept;
        self.ips.iter_mut().for_each(|ip| ip.interface = None);
        Ok(())
    }

    /// The result as a plugin prints it in `version`: indented, no newline at the end.
    pub fn to_json(&self, version: SpecVersion) -> Result<String, ResultError> {
        let result = self.as_version(version)?;
        Ok(match version.family() {
            Family::Legacy => json::to_pretty(&Legacy::new(&result, version)),
            Family::List => json::to_pretty(&List::new(&result, version)),
            Family::Current => json::to_pretty(&current(&result, version)),
        })
    }

    /// The result in `version` as untyped JSON, for embedding.
    pub fn to_value(&self, version: SpecVersion) -> Result<serde_json::Value, ResultError> {
        let result = self.as_version(version)?;
        let value = match version.family() {
            Family::Legacy => serde_json::to_value(Legacy::new(&result, version)),
            Family::List => serde_json::to_value(List::new(&result, version)),
            Family::Current => Ok(current(&result, version)),
        };
        value.map_err(|error| ResultError::Json(error.to_string()))
    }

    fn as_version(&self, version: SpecVersion) -> Result<Cow<'_, Self>, ResultError> {
        Ok(match version.family() {
            Family::Current => Cow::Borrowed(self),
            _ => Cow::Owned(self.clone().in_version(version)?),
        })
    }
}

/// 0.1.0 and 0.2.0.
#[derive(Serialize)]
struct Legacy<'r> {
    #[serde(rename = "cniVersion")]
    cni_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<LegacyIp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<LegacyIp>,
    dns: &'r Dns,
}

#[derive(Serialize)]
struct LegacyIp {
    ip: Cidr,
    #[serde(
        serialize_with = "address_or_empty",
        skip_serializing_if = "Option::is_none"
    )]
    gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
}

impl<'r> Legacy<'r> {
    fn new(result: &'r CniResult, version: SpecVersion) -> Self {
        let of_family = |ipv4: bool| {
            let ip = result.ips.iter().find(|ip| ip.address.is_ipv4() == ipv4)?;
            let routes = result.routes.iter();
            Some(LegacyIp {
                ip: ip.address,
                gateway: ip.gateway,
                routes: routes
                    .filter(|route| route.dst.is_ipv4() == ipv4)
                    .cloned()
                    .collect(),
            })
        };
        Self {
            cni_version: version.as_str(),
            ip4: of_family(true),
            ip6: of_family(false),
            dns: &result.dns,
        }
    }
}

/// 0.3.0 to 0.4.0.
#[derive(Serialize)]
struct List<'r> {
    #[serde(rename = "cniVersion")]
    cni_version: &'static str,
    #[serde(skip_serializing_if = "<[Interface]>::is_empty")]
    interfaces: &'r [Interface],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<ListIp<'r>>,
    #[serde(skip_serializing_if = "<[Route]>::is_empty")]
    routes: &'r [Route],
    dns: &'r Dns,
}

#[derive(Serialize)]
struct ListIp<'r> {
    version: &'static str,
    #[serde(flatten)]
    ip: &'r IpConfig,
}

impl<'r> List<'r> {
    fn new(result: &'r CniResult, version: SpecVersion) -> Self {
        let ip = |ip: &'r IpConfig| ListIp {
            version: if ip.address.is_ipv4() { "4" } else { "6" },
            ip,
        };
        Self {
            cni_version: version.as_str(),
            interfaces: &result.interfaces,
            ips: result.ips.iter().map(ip).collect(),
            routes: &result.routes,
            dns: &result.dns,
        }
    }
}

/// 1.0.0 and 1.1.0: keys in alphabetical order at every level, bytewise as Go sorts them, and nothing
/// that is empty. An object of `serde_json` is sorted so.
fn current(result: &CniResult, version: SpecVersion) -> Value {
    let mut object = json!({
        "dns": result.dns,
        "interfaces": result.interfaces,
        "ips": result.ips,
        "routes": result.routes,
    });
    if let Value::Object(entries) = &mut object {
        entries.retain(|_, value| match value {
            Value::Object(inner) => !inner.is_empty(),
            Value::Array(values) => !values.is_empty(),
            _ => true,
        });
        entries.insert("cniVersion".to_owned(), version.as_str().into());
    }
    object
}
