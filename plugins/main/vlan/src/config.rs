//! The keys of `vlan`.

use cni_types::{Code, Error, Request};
use ferrule_kernel::Vlan;
use ferrule_net::link::{Addresses, LinkConfig, LinkSpec, Master};
use serde::Deserialize;

/// The highest VLAN there is (IEEE 802.1Q reserves 4095).
const LAST_VLAN: u16 = 4094;

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("required" = ["master", "ipam"])))]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// The interface that the link is created on; required.
    master: String,
    /// The VLAN, 0 to 4094; 0 if absent: its tags carry only a priority.
    #[cfg_attr(test, schemars(range(min = 0, max = LAST_VLAN)))]
    vlan_id: i64,
    /// MTU in bytes, at most the master's; 0 is the master's.
    #[cfg_attr(test, schemars(range(min = 0)))]
    mtu: i64,
    /// Look the master up in the container.
    link_in_container: bool,
}

impl LinkConfig for Config {
    type Settings = Vlan;

    fn spec(&self, _: &Request) -> Result<LinkSpec<'_, Vlan>, Error> {
        Ok(LinkSpec {
            settings: self.vlan()?,
            master: Some(Master::new(Some(&self.master), self.link_in_container)),
            mtu: self.mtu,
            mac: None,
            addresses: Addresses::Required,
        })
    }
}

impl Config {
    fn vlan(&self) -> Result<Vlan, Error> {
        let invalid = |msg: String| Error::new(Code::InvalidConfig, msg);
        if self.master.is_empty() {
            return Err(invalid("the key master is missing".to_owned()));
        }
        let id = u16::try_from(self.vlan_id).ok();
        let id = id.filter(|id| *id <= LAST_VLAN).ok_or_else(|| {
            invalid(format!(
                "invalid VLAN ID {}: the key vlanId must be between 0 and {LAST_VLAN}",
                self.vlan_id
            ))
        })?;
        Ok(Vlan { id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(vlan_id: i64) -> Config {
        Config {
            master: "eth0".into(),
            vlan_id,
            ..Config::default()
        }
    }

    #[test]
    fn vlans_end_at_4094() {
        for id in [0, 1, 4094] {
            assert_eq!(i64::from(config(id).vlan().unwrap().id), id);
        }
        for id in [-1, 4095, 65_536, i64::MAX] {
            let error = config(id).vlan().unwrap_err();
            assert_eq!(error.code, 7);
            assert!(error.msg.contains("vlanId") && error.msg.contains(&id.to_string()));
        }
    }

    #[test]
    fn there_is_no_default_master() {
        let error = Config::default().vlan().unwrap_err();
        assert!(error.msg.contains("master"), "{error}");
    }
}
