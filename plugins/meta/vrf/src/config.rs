//! The keys of `vrf`.

use cni_types::{Code, Error, check_interface_name};
use serde::Deserialize;

/// The configuration.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("required" = ["vrfname"])))]
#[serde(default)]
pub struct Config {
    /// The name of the VRF in the container; required.
    vrfname: String,
    /// The VRF's routing table; 0 or absent chooses a free one.
    table: u32,
}

/// The VRF of the interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its name.
    pub(crate) name: String,
    /// Its table; any if absent.
    pub(crate) table: Option<u32>,
}

impl Config {
    pub(crate) fn plan(&self) -> Result<Plan, Error> {
        let invalid = |msg: String| Error::new(Code::InvalidConfig, msg);
        if self.vrfname.is_empty() {
            return Err(invalid("the key vrfname is missing".to_owned()));
        }
        check_interface_name(&self.vrfname).map_err(|error| {
            invalid(format!("invalid vrfname {:?}: {}", self.vrfname, error.msg))
        })?;
        Ok(Plan {
            name: self.vrfname.clone(),
            table: Some(self.table).filter(|table| *table > 0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(name: &str, table: u32) -> Result<Plan, Error> {
        let vrfname = name.to_owned();
        Config { vrfname, table }.plan()
    }

    #[test]
    fn a_name_is_required_and_a_table_is_not() {
        let name = "red".to_owned();
        assert_eq!(
            plan("red", 0),
            Ok(Plan {
                name: name.clone(),
                table: None
            })
        );
        assert_eq!(
            plan("red", 7),
            Ok(Plan {
                name,
                table: Some(7)
            })
        );
        for wrong in ["", "much-too-long-for-a-link", "a/b", ".."] {
            let error = plan(wrong, 0).unwrap_err();
            assert!(error.code == 7 && error.msg.contains("vrfname"), "{error}");
        }
    }
}
