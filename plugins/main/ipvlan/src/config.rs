//! The keys of `ipvlan`.

use cni_types::{CniResult, Code, Command, Error, Interface, Request};
use ferrule_kernel::{IpVlanMode, Ipvlan};
use ferrule_net::link::{Addresses, LinkConfig, LinkSpec, Master, MasterName, Modes};
use serde::Deserialize;

/// The values of the key `mode`.
pub(crate) const MODES: Modes<IpVlanMode> = Modes {
    plugin: "ipvlan",
    all: &[
        ("l2", IpVlanMode::L2),
        ("l3", IpVlanMode::L3),
        ("l3s", IpVlanMode::L3S),
    ],
};

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// The interface that the link is created on; if absent that of the previous plugin, or that of
    /// the default route.
    master: Option<String>,
    /// Where packets are routed: `l2` if absent.
    #[cfg_attr(test, schemars(extend("enum" = MODES.list())))]
    mode: String,
    /// MTU in bytes, at most the master's; 0 is the master's.
    #[cfg_attr(test, schemars(range(min = 0)))]
    mtu: i64,
    /// Look the master up in the container.
    link_in_container: bool,
}

impl LinkConfig for Config {
    type Settings = Ipvlan;

    fn spec(&self, request: &Request) -> Result<LinkSpec<'_, Ipvlan>, Error> {
        let settings = Ipvlan {
            mode: MODES.parse(&self.mode)?,
        };
        let previous = match request.command {
            Command::Add => request.prev_result()?,
            _ => None,
        };
        let mut master = Master::new(self.master.as_deref(), self.link_in_container);
        if matches!(master.name, MasterName::DefaultRoute) {
            master.name = match &previous {
                Some(previous) => MasterName::Previous(
                    only_interface(previous, &self.master_sandbox(request))?.to_owned(),
                ),
                None if request.command == Command::Status => MasterName::Open,
                None => MasterName::DefaultRoute,
            };
        }
        Ok(LinkSpec {
            master: Some(master),
            mtu: self.mtu,
            mac: None,
            addresses: addresses(request, previous),
            settings,
        })
    }
}

impl Config {
    /// The `sandbox` that results have for interfaces where the master is.
    fn master_sandbox(&self, request: &Request) -> String {
        if self.link_in_container {
            request.sandbox()
        } else {
            String::new()
        }
    }
}

/// ADD needs an address plugin, or addresses of the plugin before this one.
fn addresses(request: &Request, previous: Option<CniResult>) -> Addresses {
    match previous.filter(|result| !result.ips.is_empty()) {
        Some(result) if request.ipam_type.is_empty() => Addresses::Previous(Box::new(result)),
        _ if request.command == Command::Add => Addresses::Required,
        _ => Addresses::Optional,
    }
}

/// The only interface of a previous result or, if it has several, the only one in the namespace where
/// the master is looked up.
fn only_interface<'r>(previous: &'r CniResult, sandbox: &str) -> Result<&'r str, Error> {
    let named: Vec<&Interface> = previous
        .interfaces
        .iter()
        .filter(|interface| !interface.name.is_empty())
        .collect();
    let in_sandbox: Vec<&Interface> = named
        .iter()
        .copied()
        .filter(|interface| interface.sandbox == sandbox)
        .collect();
    match (named.as_slice(), in_sandbox.as_slice()) {
        ([one], _) | (_, [one]) => Ok(&one.name),
        _ => Err(Error::new(
            Code::InvalidConfig,
            format!(
                "no master: the key master is missing and prevResult has {} interfaces to choose from",
                named.len()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(interfaces: &[(&str, &str)]) -> CniResult {
        let interfaces = interfaces.iter().map(|(name, sandbox)| Interface {
            name: (*name).into(),
            sandbox: (*sandbox).into(),
            ..Interface::default()
        });
        CniResult {
            interfaces: interfaces.collect(),
            ..CniResult::default()
        }
    }

    #[test]
    fn l2_is_the_default_mode() {
        assert_eq!(MODES.parse("").unwrap(), IpVlanMode::L2);
        let error = MODES.parse("bridge").unwrap_err();
        assert!(error.details.contains("l2, l3 or l3s"), "{error}");
    }

    #[test]
    fn the_previous_interface_is_taken_where_there_is_no_choice() {
        let alone = result(&[("net1", "/run/netns/a"), ("", "")]);
        assert_eq!(only_interface(&alone, "").unwrap(), "net1");
        let several = result(&[("br0", ""), ("eth0", "/run/netns/a")]);
        assert_eq!(only_interface(&several, "").unwrap(), "br0");
        assert_eq!(only_interface(&several, "/run/netns/a").unwrap(), "eth0");
        let unclear = result(&[("br0", ""), ("veth1", ""), ("eth0", "/run/netns/a")]);
        assert!(only_interface(&unclear, "").is_err());
        assert!(only_interface(&result(&[]), "").is_err());
    }
}
