//! The keys of `vlan`, and what they mean together.

use cni_types::{Code, Error};
use ferrule_kernel::Vlan;
use ferrule_net::link::{Addresses, LinkSpec, Master};
use serde::Deserialize;

/// The highest VLAN there is (IEEE 802.1Q reserves 4095).
const LAST_VLAN: u16 = 4094;

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// The interface the link is put on; required.
    master: String,
    /// The VLAN, 0 to 4094; 0, for tags that carry a priority alone, if absent.
    vlan_id: i64,
    /// MTU in bytes, at most the master's; 0 is the master's.
    mtu: i64,
    /// Look the master up in the container.
    link_in_container: bool,
}

impl Config {
    /// The configuration, checked as far as it can be without the master.
    pub(crate) fn spec(&self) -> Result<LinkSpec<'_, Vlan>, Error> {
        let invalid = |msg: String| Error::new(Code::InvalidConfig, msg);
        if self.master.is_empty() {
            return Err(invalid("the key master is missing".to_owned()));
        }
        let id = u16::try_from(self.vlan_id)
            .ok()
            .filter(|id| *id <= LAST_VLAN)
            .ok_or_else(|| {
                invalid(format!(
                    "invalid VLAN ID {}: the key vlanId must be between 0 and {LAST_VLAN}",
                    self.vlan_id
                ))
            })?;
        Ok(LinkSpec {
            master: Some(Master::new(Some(&self.master), self.link_in_container)),
            mtu: self.mtu,
            mac: None,
            addresses: Addresses::Required,
            settings: Vlan { id },
        })
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
            assert_eq!(i64::from(config(id).spec().unwrap().settings.id), id);
        }
        for id in [-1, 4095, 65_536, i64::MAX] {
            let error = config(id).spec().err().unwrap();
            assert_eq!(error.code, 7);
            assert!(error.msg.contains("vlanId") && error.msg.contains(&id.to_string()));
        }
    }

    #[test]
    fn there_is_no_default_master() {
        let error = Config::default().spec().err().unwrap();
        assert!(error.msg.contains("master"), "{error}");
    }
}
