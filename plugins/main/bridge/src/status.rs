//! STATUS: whether the gateway's address that ADD will need fits on the bridge.

use std::net::IpAddr;

use cni_types::{Cidr, Error, Request};
use ferrule_kernel::{Family, Link};
use ferrule_net::addressing::first_address;
use ferrule_net::link::unavailable;
use ferrule_net::{Host, NetError};
use serde::Deserialize;

use crate::config::Plan;
use crate::gateway;

/// The keys of host-local and static that decide about the gateway. Of another address plugin's
/// nothing is known.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    ipam: Ipam,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ipam {
    subnet: Option<String>,
    gateway: Option<String>,
    ranges: Vec<Vec<Range>>,
    addresses: Vec<Range>,
}

/// A range of host-local, or an address of static.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Range {
    subnet: Option<String>,
    address: Option<String>,
    gateway: Option<String>,
}

impl Range {
    /// The gateway's address with the prefix of its network, as ADD will have it.
    fn gateway(&self) -> Option<Cidr> {
        let network: Cidr = self
            .subnet
            .as_ref()
            .or(self.address.as_ref())?
            .parse()
            .ok()?;
        let configured = self.gateway.as_deref().filter(|text| !text.is_empty());
        let gateway: IpAddr = match configured {
            Some(text) => text.parse().ok()?,
            None => first_address(network)?,
        };
        Cidr::new(gateway, network.prefix())
    }
}

impl Config {
    /// One gateway of each list will be needed.
    fn gateways(&self, ipam_type: &str) -> Vec<Vec<Cidr>> {
        let ipam = &self.ipam;
        let known = |ranges: &[Range]| ranges.iter().filter_map(Range::gateway).collect();
        match ipam_type {
            "host-local" => {
                let single = Range {
                    subnet: ipam.subnet.clone(),
                    gateway: ipam.gateway.clone(),
                    address: None,
                };
                let sets = ipam.ranges.iter().map(|set| known(set));
                sets.chain([known(&[single])]).collect()
            }
            "static" => {
                let all: Vec<Cidr> = known(&ipam.addresses);
                all.into_iter().map(|one| vec![one]).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Fails (code 50) if no ADD can succeed, because an address of the bridge conflicts with the
/// gateway's.
pub(crate) fn ensure_gateway_fits(
    host: &Host,
    plan: &Plan,
    request: &Request,
) -> Result<(), Error> {
    if !plan.is_gateway || plan.force_address {
        return Ok(());
    }
    let name = match plan.vlan.access {
        None => plan.bridge.clone(),
        Some(vlan) => format!("{}.{vlan}", plan.bridge),
    };
    let Some(device) = host.link_by_name(&name).map_err(NetError::from)? else {
        return Ok(());
    };
    // The address plugin reports wrong keys.
    let config: Config = request.decode().unwrap_or_default();
    for gateways in config.gateways(&request.ipam_type) {
        if let Some(error) = conflict_of_all(host, &device, &gateways)? {
            return Err(unavailable(error));
        }
    }
    Ok(())
}

/// The first conflict, if every one of the gateways has one.
fn conflict_of_all(
    host: &Host,
    device: &Link,
    gateways: &[Cidr],
) -> Result<Option<NetError>, NetError> {
    let mut first = None;
    for wanted in gateways {
        let family = Family::of(wanted.address());
        let present = host.addresses(device.index, Some(family))?;
        let Some(other) = gateway::conflicts(&present, *wanted).next() else {
            return Ok(None);
        };
        first.get_or_insert_with(|| gateway::conflict(&device.name, *wanted, other));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use cni_types::json::JsonValue;

    use super::*;

    fn gateways(ipam_type: &str, json: &str) -> Vec<Vec<String>> {
        let config: Config = JsonValue::read(json.as_bytes()).unwrap().decode().unwrap();
        let texts = |one: Vec<Cidr>| one.iter().map(ToString::to_string).collect();
        config.gateways(ipam_type).into_iter().map(texts).collect()
    }

    #[test]
    fn gateways_are_those_of_add() {
        let json = r#"{"ipam": {"subnet": "10.1.0.0/16", "gateway": "10.1.0.9",
            "ranges": [[{"subnet": "10.2.0.0/24"}, {"subnet": "10.3.0.0/24", "gateway": ""}],
                       [{"subnet": "fd00::/64", "gateway": "fd00::5"}]]}}"#;
        assert_eq!(
            gateways("host-local", json),
            [
                vec!["10.2.0.1/24", "10.3.0.1/24"],
                vec!["fd00::5/64"],
                vec!["10.1.0.9/16"]
            ]
        );
        let json = r#"{"ipam": {"addresses": [
            {"address": "10.1.2.3/24"}, {"address": "fd00::3/64", "gateway": "fd00::5"}]}}"#;
        assert_eq!(gateways("static", json), [["10.1.2.1/24"], ["fd00::5/64"]]);
        assert!(gateways("dhcp", json).is_empty());
        assert_eq!(gateways("host-local", "{}"), [[""; 0]]);
        assert!(gateways("static", r#"{"ipam": {"addresses": [{"address": "x"}]}}"#).is_empty());
    }
}
