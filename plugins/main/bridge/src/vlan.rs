//! The VLANs of a port: keys `vlan`, `vlanTrunk` and `preserveDefaultVlan`.

use std::collections::BTreeSet;

use cni_types::{Code, Error};
use serde::Deserialize;

/// The highest VLAN id (IEEE 802.1Q; 4095 is reserved).
const MAX_ID: i64 = 4094;

/// The VLAN of untagged frames if none is configured.
pub(crate) const DEFAULT_VLAN: u16 = 1;

/// One entry of `vlanTrunk`: a range, a single id, or both.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct TrunkEntry {
    /// The first VLAN of a range.
    #[serde(rename = "minID")]
    #[cfg_attr(test, schemars(range(min = 0, max = 4094)))]
    min_id: Option<i64>,
    /// The last VLAN of the range.
    #[serde(rename = "maxID")]
    #[cfg_attr(test, schemars(range(min = 0, max = 4094)))]
    max_id: Option<i64>,
    /// A single VLAN.
    #[cfg_attr(test, schemars(range(min = 0, max = 4094)))]
    id: Option<i64>,
}

/// The VLANs of a port.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct VlanPlan {
    /// VLAN of untagged frames.
    pub(crate) access: Option<u16>,
    /// VLANs of tagged frames, ascending.
    pub(crate) trunk: Vec<u16>,
    /// Whether the bridge must filter by VLAN; also with an empty trunk.
    pub(crate) filtering: bool,
    /// Whether the VLAN that the kernel gives a new port stays.
    pub(crate) preserve_default: bool,
}

impl VlanPlan {
    pub(crate) fn new(
        vlan: i64,
        trunk: Option<&[TrunkEntry]>,
        preserve_default: bool,
    ) -> Result<Self, Error> {
        let access = match vlan {
            0 => None,
            id => Some(checked(id).ok_or_else(|| {
                invalid(format!(
                    "invalid VLAN ID {id} (must be between 0 and {MAX_ID})"
                ))
            })?),
        };
        let mut ids = BTreeSet::new();
        for entry in trunk.unwrap_or_default() {
            ids.extend(entry.ids()?);
        }
        Ok(Self {
            access,
            trunk: ids.into_iter().collect(),
            filtering: access.is_some() || trunk.is_some(),
            preserve_default,
        })
    }

    /// Whether the port has other VLANs than the kernel gives it.
    pub(crate) fn changes_port(&self) -> bool {
        self.access.is_some() || !self.trunk.is_empty()
    }

    /// Whether a port with VLANs of its own is in this one.
    pub(crate) fn carries(&self, vid: u16) -> bool {
        self.access.unwrap_or(DEFAULT_VLAN) == vid || self.trunk.contains(&vid)
    }
}

impl TrunkEntry {
    fn ids(&self) -> Result<Vec<u16>, Error> {
        let in_range = |id: i64, name: &str| {
            checked(id).ok_or_else(|| invalid(format!("incorrect trunk {name} parameter")))
        };
        let mut ids = match (self.min_id, self.max_id) {
            (None, None) => vec![],
            (Some(_), None) => return Err(one_bound_missing("maxID")),
            (None, Some(_)) => return Err(one_bound_missing("minID")),
            (Some(min), Some(max)) => {
                let (min, max) = (in_range(min, "minID")?, in_range(max, "maxID")?);
                if min > max {
                    return Err(invalid("minID is greater than maxID in trunk parameter"));
                }
                (min..=max).collect()
            }
        };
        if let Some(id) = self.id {
            ids.push(in_range(id, "id")?);
        }
        Ok(ids)
    }
}

fn checked(id: i64) -> Option<u16> {
    (1..=MAX_ID)
        .contains(&id)
        .then(|| u16::try_from(id).ok())
        .flatten()
}

fn invalid(msg: impl Into<String>) -> Error {
    Error::new(Code::InvalidConfig, msg)
}

fn one_bound_missing(name: &str) -> Error {
    invalid(format!(
        "minID and maxID should be configured simultaneously, {name} is missing"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(min_id: Option<i64>, max_id: Option<i64>, id: Option<i64>) -> TrunkEntry {
        TrunkEntry { min_id, max_id, id }
    }

    fn trunk(entries: &[TrunkEntry]) -> Result<Vec<u16>, String> {
        VlanPlan::new(0, Some(entries), false)
            .map(|plan| plan.trunk)
            .map_err(|error| error.msg)
    }

    #[test]
    fn a_trunk_is_the_union_of_its_entries() {
        assert_eq!(trunk(&[]), Ok(vec![]));
        assert_eq!(
            trunk(&[entry(Some(3), Some(5), Some(9)), entry(None, None, Some(4))]),
            Ok(vec![3, 4, 5, 9])
        );
        assert!(VlanPlan::new(0, Some(&[]), false).unwrap().filtering);
        assert!(!VlanPlan::new(0, None, false).unwrap().filtering);
    }

    #[test]
    fn wrong_entries_are_told_as_upstream_tells_them() {
        let missing = "minID and maxID should be configured simultaneously, ";
        for (min_id, max_id, id, text) in [
            (Some(1), None, None, format!("{missing}maxID is missing")),
            (None, Some(1), None, format!("{missing}minID is missing")),
            (
                Some(0),
                Some(1),
                None,
                "incorrect trunk minID parameter".into(),
            ),
            (
                Some(4095),
                Some(4096),
                None,
                "incorrect trunk minID parameter".into(),
            ),
            (
                Some(1),
                Some(4095),
                None,
                "incorrect trunk maxID parameter".into(),
            ),
            (
                Some(9),
                Some(3),
                None,
                "minID is greater than maxID in trunk parameter".into(),
            ),
            (None, None, Some(0), "incorrect trunk id parameter".into()),
            (
                None,
                None,
                Some(4095),
                "incorrect trunk id parameter".into(),
            ),
            (None, None, Some(-1), "incorrect trunk id parameter".into()),
        ] {
            assert_eq!(trunk(&[entry(min_id, max_id, id)]), Err(text));
        }
    }

    #[test]
    fn access_vlans_are_0_to_4094() {
        for (id, access) in [(0, None), (1, Some(1)), (4094, Some(4094))] {
            assert_eq!(VlanPlan::new(id, None, false).unwrap().access, access);
        }
        for id in [-100, 4095, 5000] {
            let text = format!("invalid VLAN ID {id} (must be between 0 and 4094)");
            assert_eq!(VlanPlan::new(id, None, false).unwrap_err().msg, text);
        }
    }
}
