//! Writing results in every version, with keys in the order the Go plugins write them.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::{CniResult, Interface, IpConfig, ResultError};
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
            Family::Current => json::to_pretty(&Current::new(&result, version)),
        })
    }

    /// The result in `version` as untyped JSON, for embedding.
    pub fn to_value(&self, version: SpecVersion) -> Result<serde_json::Value, ResultError> {
        let result = self.as_version(version)?;
        let value = match version.family() {
            Family::Legacy => serde_json::to_value(Legacy::new(&result, version)),
            Family::List => serde_json::to_value(List::new(&result, version)),
            Family::Current => serde_json::to_value(Current::new(&result, version)),
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
    ips: Vec<ListIp>,
    #[serde(skip_serializing_if = "<[Route]>::is_empty")]
    routes: &'r [Route],
    dns: &'r Dns,
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
        let ip = |ip: &IpConfig| ListIp {
            version: if ip.address.is_ipv4() { "4" } else { "6" },
            interface: ip.interface,
            address: ip.address,
            gateway: ip.gateway,
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
