//! The keys of `ipvlan`, and what they mean together.

use cni_types::{CniResult, Code, Command, Error, Interface, Request};
use ferrule_kernel::{Ipvlan, IpvlanMode};
use ferrule_net::link::{Addresses, LinkSpec, Master, MasterName};
use serde::Deserialize;

/// The modes by their names in configurations.
const MODES: [(&str, IpvlanMode); 3] = [
    ("l2", IpvlanMode::L2),
    ("l3", IpvlanMode::L3),
    ("l3s", IpvlanMode::L3s),
];

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// The interface the link is put on; if absent the previous plugin's, or that of the default
    /// route.
    master: Option<String>,
    /// Where packets are routed: `l2` if absent.
    mode: String,
    /// MTU in bytes, at most the master's; 0 is the master's.
    mtu: i64,
    /// Look the master up in the container.
    link_in_container: bool,
}

impl Config {
    /// The configuration, checked as far as it can be without the master.
    pub(crate) fn spec(&self, request: &Request) -> Result<LinkSpec<'_, Ipvlan>, Error> {
        let settings = Ipvlan {
            mode: mode(&self.mode)?,
        };
        let previous = match request.command {
            Command::Add => request.prev_result()?,
            _ => None,
        };
        let mut master = Master::new(self.master.as_deref(), self.link_in_container);
        if matches!(master.name, MasterName::DefaultRoute) {
            master.name = match &previous {
                Some(previous) => {
                    MasterName::Previous(only_interface(previous, &self.side(request))?.to_owned())
                }
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

    /// The sandbox, as results write it, in which the master is.
    fn side(&self, request: &Request) -> String {
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

/// The one interface of a previous result or, if there are several, the one that is where the
/// master is looked for.
fn only_interface<'r>(previous: &'r CniResult, side: &str) -> Result<&'r str, Error> {
    let named: Vec<&Interface> = previous
        .interfaces
        .iter()
        .filter(|interface| !interface.name.is_empty())
        .collect();
    let near: Vec<&Interface> = named
        .iter()
        .copied()
        .filter(|interface| interface.sandbox == side)
        .collect();
    match (named.as_slice(), near.as_slice()) {
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

fn mode(name: &str) -> Result<IpvlanMode, Error> {
    if name.is_empty() {
        return Ok(IpvlanMode::L2);
    }
    let known = MODES.into_iter().find(|(known, _)| *known == name);
    known.map(|(_, mode)| mode).ok_or_else(|| {
        Error::new(
            Code::InvalidConfig,
            format!("unknown ipvlan mode: {name:?}"),
        )
        .details("set the key mode to l2, l3 or l3s")
    })
}

/// What a mode is called in configurations.
pub(crate) fn mode_name(mode: IpvlanMode) -> String {
    let known = MODES.into_iter().find(|(_, known)| *known == mode);
    known.map_or_else(|| format!("{mode:?}"), |(name, _)| name.to_owned())
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
    fn modes_have_their_names_and_l2_is_the_default() {
        assert_eq!(mode("").unwrap(), IpvlanMode::L2);
        for (name, expected) in MODES {
            assert_eq!(mode(name).unwrap(), expected);
            assert_eq!(mode_name(expected), name);
        }
        let error = mode("bridge").unwrap_err();
        assert_eq!((error.code, error.msg.contains("bridge")), (7, true));
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
