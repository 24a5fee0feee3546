//! Writing results in every version, with keys in the order the Go plugins write them.

use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::{CniResult, Interface, IpConfig, ResultError};
use crate::{Cidr, Dns, Family, Route, SpecVersion, json};

impl CniResult {
    /// The result as a plugin prints it in `version`: indented, no newline at the end.
    pub fn to_json(&self, version: SpecVersion) -> Result<String, ResultError> {
        Ok(match version.family() {
            Family::Legacy => json::to_pretty(&Legacy::new(self, version)?),
            Family::List => json::to_pretty(&List::new(self, version)),
            Family::Current => json::to_pretty(&Current::new(self, version)),
        })
    }

    /// The result in `version` as untyped JSON, for embedding.
    pub fn to_value(&self, version: SpecVersion) -> Result<serde_json::Value, ResultError> {
        let value = match version.family() {
            Family::Legacy => serde_json::to_value(Legacy::new(self, version)?),
            Family::List => serde_json::to_value(List::new(self, version)),
            Family::Current => serde_json::to_value(Current::new(self, version)),
        };
        value.map_err(|error| ResultError::Json(error.to_string()))
    }
}

#[expect(clippy::ref_option, reason = "the signature serde calls")]
fn text<S: Serializer>(address: &Option<IpAddr>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.serialize_str(&crate::address_text(*address)),
        None => serializer.serialize_str(""),
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
    #[serde(serialize_with = "text", skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
}

impl<'r> Legacy<'r> {
    /// One address of each family stays, with the routes of its family.
    fn new(result: &'r CniResult, version: SpecVersion) -> Result<Self, ResultError> {
        let of_family = |ipv4: bool| {
            let ip = result.ips.iter().find(|ip| ip.address.is_ipv4() == ipv4)?;
            let routes = result
                .routes
                .iter()
                .filter(|route| route.dst.is_ipv4() == ipv4);
            let routes = routes.map(|route| {
                if result.legacy {
                    route.clone()
                } else {
                    Route::new(route.dst, route.gw)
                }
            });
            Some(LegacyIp {
                ip: ip.address,
                gateway: ip.gateway,
                routes: routes.collect(),
            })
        };
        let (ip4, ip6) = (of_family(true), of_family(false));
        if ip4.is_none() && ip6.is_none() && !result.legacy {
            return Err(ResultError::NoAddress);
        }
        Ok(Self {
            cni_version: version.as_str(),
            ip4,
            ip6,
            dns: &result.dns,
        })
    }
}

/// 0.3.0 to 0.4.0.
#[derive(Serialize)]
struct List<'r> {
    #[serde(rename = "cniVersion")]
    cni_version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<ListInterface<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<ListIp>,
    #[serde(skip_serializing_if = "<[Route]>::is_empty")]
    routes: &'r [Route],
    dns: &'r Dns,
}

#[derive(Serialize)]
struct ListInterface<'r> {
    name: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mac: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    sandbox: &'r str,
}

#[derive(Serialize)]
struct ListIp {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<i64>,
    address: Cidr,
    #[serde(serialize_with = "text", skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
}

impl<'r> List<'r> {
    fn new(result: &'r CniResult, version: SpecVersion) -> Self {
        let interface = |i: &'r Interface| ListInterface {
            name: &i.name,
            mac: &i.mac,
            sandbox: &i.sandbox,
        };
        let ip = |ip: &IpConfig| ListIp {
            version: if ip.address.is_ipv4() { "4" } else { "6" },
            interface: ip.interface,
            address: ip.address,
            gateway: ip.gateway,
        };
        Self {
            cni_version: version.as_str(),
            interfaces: result.interfaces.iter().map(interface).collect(),
            ips: result.ips.iter().map(ip).collect(),
            routes: &result.routes,
            dns: &result.dns,
        }
    }
}

/// 1.0.0 and 1.1.0: keys in alphabetical order at every level, bytewise as Go sorts them.
#[derive(Serialize)]
struct Current<'r> {
    #[serde(rename = "cniVersion")]
    cni_version: &'static str,
    #[serde(skip_serializing_if = "CurrentDns::is_empty")]
    dns: CurrentDns<'r>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<CurrentInterface<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<CurrentIp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<CurrentRoute>,
}

#[derive(Serialize)]
struct CurrentDns<'r> {
    #[serde(skip_serializing_if = "str::is_empty")]
    domain: &'r str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    nameservers: &'r [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    options: &'r [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    search: &'r [String],
}

impl CurrentDns<'_> {
    fn is_empty(&self) -> bool {
        self.domain.is_empty()
            && self.nameservers.is_empty()
            && self.options.is_empty()
            && self.search.is_empty()
    }
}

#[derive(Serialize)]
struct CurrentInterface<'r> {
    #[serde(skip_serializing_if = "str::is_empty")]
    mac: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    name: &'r str,
    #[serde(rename = "pciID", skip_serializing_if = "str::is_empty")]
    pci_id: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    sandbox: &'r str,
    #[serde(rename = "socketPath", skip_serializing_if = "str::is_empty")]
    socket_path: &'r str,
}

#[derive(Serialize)]
struct CurrentIp {
    address: Cidr,
    #[serde(serialize_with = "text", skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<i64>,
}

#[derive(Serialize)]
struct CurrentRoute {
    #[serde(skip_serializing_if = "Option::is_none")]
    advmss: Option<u32>,
    dst: Cidr,
    #[serde(serialize_with = "text", skip_serializing_if = "Option::is_none")]
    gw: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<u32>,
}

impl<'r> Current<'r> {
    fn new(result: &'r CniResult, version: SpecVersion) -> Self {
        let set = |number: u32| (number != 0).then_some(number);
        let dns = &result.dns;
        let interface = |i: &'r Interface| CurrentInterface {
            mac: &i.mac,
            mtu: set(i.mtu),
            name: &i.name,
            pci_id: &i.pci_id,
            sandbox: &i.sandbox,
            socket_path: &i.socket_path,
        };
        let ip = |ip: &IpConfig| CurrentIp {
            address: ip.address,
            gateway: ip.gateway,
            interface: ip.interface,
        };
        let route = |route: &Route| CurrentRoute {
            advmss: set(route.advmss),
            dst: route.dst,
            gw: route.gw,
            mtu: set(route.mtu),
            priority: set(route.priority),
            scope: route.scope,
            table: route.table,
        };
        Self {
            cni_version: version.as_str(),
            dns: CurrentDns {
                domain: &dns.domain,
                nameservers: dns.nameservers.as_deref().unwrap_or_default(),
                options: dns.options.as_deref().unwrap_or_default(),
                search: dns.search.as_deref().unwrap_or_default(),
            },
            interfaces: result.interfaces.iter().map(interface).collect(),
            ips: result.ips.iter().map(ip).collect(),
            routes: result.routes.iter().map(route).collect(),
        }
    }
}
