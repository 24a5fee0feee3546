//! The container's addresses that ports are mapped to.

use cni_types::{Cidr, CniResult, Code, Error};
use ferrule_kernel::Family;
use ferrule_plugin::container_addresses;

use crate::config::Plan;
use crate::mapping::{HostAddress, Mapping};

/// An address of the container that host ports are mapped to, at most one of each family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The address, with the prefix of its network.
    pub(crate) address: Cidr,
}

impl Target {
    pub(crate) fn family(&self) -> Family {
        Family::of(self.address.address())
    }

    /// The mappings to this address: those for one address of the host first, as those for all would
    /// hide them.
    pub(crate) fn mappings(&self, plan: &Plan) -> Vec<Mapping> {
        let ours = plan.mappings.iter().filter(|m| m.is_of(self.family()));
        let (only, all): (Vec<Mapping>, Vec<Mapping>) =
            ours.copied().partition(|mapping| mapping.only().is_some());
        [only, all].concat()
    }
}

/// The first address of each family in `result`, IPv4 first.
pub(crate) fn targets(result: &CniResult, ifname: &str) -> Vec<Target> {
    let first = |family| {
        container_addresses(result, ifname)
            .find(|address| Family::of(address.address()) == family)
            .map(|address| Target { address })
    };
    [Family::V4, Family::V6]
        .into_iter()
        .filter_map(first)
        .collect()
}

/// Refuses mappings without a target, and pairs that contradict each other.
///
/// A mapping for all addresses of a family in which the container has no address is ignored beside one
/// of the same port that takes effect: runtimes pass both for every container.
pub(crate) fn validate(mappings: &[Mapping], targets: &[Target]) -> Result<(), Error> {
    let takes_effect = |m: &Mapping| targets.iter().any(|target| m.is_of(target.family()));
    for mapping in mappings {
        let twin = |other: &Mapping| {
            (other.transport, other.host_port, other.container_port)
                == (mapping.transport, mapping.host_port, mapping.container_port)
                && takes_effect(other)
        };
        let is_all = !matches!(mapping.host, HostAddress::Only(_));
        let is_harmless = is_all && mappings.iter().any(twin);
        if !takes_effect(mapping) && !is_harmless {
            let msg = format!(
                "port mapping {mapping}: the container has no address of the family of its host IP"
            );
            return Err(Error::new(Code::InvalidConfig, msg));
        }
    }
    for target in targets {
        contradiction(mappings, target.family())?;
    }
    Ok(())
}

/// The same port of the same address cannot be mapped to two ports of the container.
fn contradiction(mappings: &[Mapping], family: Family) -> Result<(), Error> {
    let ours: Vec<&Mapping> = mappings.iter().filter(|m| m.is_of(family)).collect();
    for (place, mapping) in ours.iter().enumerate() {
        let other = ours.iter().take(place).find(|other| {
            (other.transport, other.host_port, other.only())
                == (mapping.transport, mapping.host_port, mapping.only())
                && other.container_port != mapping.container_port
        });
        if let Some(other) = other {
            let msg = format!("port mappings contradict each other: {other}, and {mapping}");
            return Err(Error::new(Code::InvalidConfig, msg));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cni_types::IpConfig;

    use super::*;
    use crate::mapping::Entry;

    fn mapping(host_ip: &str, host_port: i64, container_port: i64) -> Mapping {
        Mapping::new(&Entry {
            host_port,
            container_port,
            protocol: "tcp".into(),
            host_ip: host_ip.into(),
        })
        .unwrap()
    }

    fn result(addresses: &[&str]) -> CniResult {
        let ip = |address: &&str| IpConfig {
            interface: None,
            address: address.parse().unwrap(),
            gateway: None,
        };
        CniResult {
            ips: addresses.iter().map(ip).collect(),
            ..CniResult::default()
        }
    }

    fn verdict(mappings: &[Mapping], addresses: &[&str]) -> Result<(), String> {
        validate(mappings, &targets(&result(addresses), "eth0")).map_err(|error| {
            assert_eq!(error.code, 7);
            error.msg
        })
    }

    #[test]
    fn the_first_address_of_each_family_is_the_target() {
        let found = targets(
            &result(&["fd00::2/64", "10.1.0.2/16", "10.2.0.2/16", "fd01::2/64"]),
            "eth0",
        );
        let texts = found.iter().map(|target| target.address.to_string());
        assert!(texts.eq(["10.1.0.2/16", "fd00::2/64"]));
        assert_eq!(targets(&result(&[]), "eth0"), []);
    }

    #[test]
    fn a_host_address_of_a_family_the_container_lacks_is_refused() {
        let v4 = ["10.1.0.2/16"];
        assert_eq!(verdict(&[mapping("", 80, 80)], &v4), Ok(()));
        let error = verdict(&[mapping("fd00::1", 80, 80)], &v4).unwrap_err();
        assert!(error.contains("tcp [fd00::1]:80"), "{error}");
        assert!(verdict(&[mapping("::", 80, 80)], &v4).is_err());
        assert!(verdict(&[mapping("0.0.0.0", 80, 80)], &["fd00::2/64"]).is_err());
        // The pair that runtimes pass.
        let pair = [mapping("0.0.0.0", 80, 80), mapping("::", 80, 80)];
        assert_eq!(verdict(&pair, &v4), Ok(()));
        let others = [mapping("0.0.0.0", 80, 80), mapping("::", 81, 80)];
        assert!(verdict(&others, &v4).is_err());
    }

    #[test]
    fn one_port_cannot_lead_to_two() {
        let both = ["10.1.0.2/16", "fd00::2/64"];
        let same = [mapping("", 80, 80), mapping("", 80, 80)];
        assert_eq!(verdict(&same, &both), Ok(()));
        let contrary = [mapping("", 80, 80), mapping("0.0.0.0", 80, 81)];
        assert!(
            verdict(&contrary, &both)
                .unwrap_err()
                .contains("contradict")
        );
        let narrower = [mapping("", 80, 80), mapping("127.0.0.1", 80, 81)];
        assert_eq!(verdict(&narrower, &both), Ok(()));
        let families = [mapping("::", 80, 80), mapping("0.0.0.0", 80, 81)];
        assert_eq!(verdict(&families, &both), Ok(()));
    }

    #[test]
    fn mappings_of_one_address_come_first() {
        let plan = Plan {
            mappings: vec![
                mapping("", 1, 1),
                mapping("10.0.0.1", 2, 2),
                mapping("::", 3, 3),
                mapping("10.0.0.1", 4, 4),
            ],
            ..Plan::new(&crate::Config::default()).unwrap()
        };
        let ports = |address: &str| -> Vec<u16> {
            let address = address.parse().unwrap();
            let mappings = Target { address }.mappings(&plan);
            mappings.iter().map(|mapping| mapping.host_port).collect()
        };
        assert_eq!(ports("10.1.0.2/16"), [2, 4, 1]);
        assert_eq!(ports("fd00::2/64"), [1, 3]);
    }
}
