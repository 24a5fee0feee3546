//! The environment variables, as in upstream's `cnitool`.

use std::ffi::OsString;
use std::path::Path;

use cni_types::json::read_value;
use serde_json::{Map, Value};

use crate::error::CommandError;

/// The default of `NETCONFPATH`.
pub(crate) const CONFIG_FOLDER: &str = "/etc/cni/net.d";
/// The default of `CNI_PATH`, if this folder exists.
pub(crate) const PLUGIN_FOLDER: &str = "/opt/cni/bin";
/// The default interface name.
pub(crate) const INTERFACE: &str = "eth0";

/// The environment variables. An empty variable counts as unset.
#[derive(Debug)]
pub(crate) struct Environment {
    /// `NETCONFPATH`: the folder of configurations.
    pub(crate) config_folder: OsString,
    /// `CNI_PATH`: the folders of plugins.
    pub(crate) plugin_path: OsString,
    /// `CNI_IFNAME`: the interface inside the container.
    pub(crate) ifname: String,
    /// `CAP_ARGS`, unparsed.
    capability_args: String,
    /// `CNI_ARGS`, unparsed.
    args: String,
}

impl Environment {
    pub(crate) fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, CommandError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| {
            let value = set(name).unwrap_or_default().into_string();
            value.map_err(|_| CommandError::new(format!("the variable {name} is not UTF-8")))
        };
        let default_path = || {
            let exists = Path::new(PLUGIN_FOLDER).is_dir();
            if exists {
                PLUGIN_FOLDER.into()
            } else {
                OsString::new()
            }
        };
        let ifname = text("CNI_IFNAME")?;
        Ok(Self {
            config_folder: set("NETCONFPATH").unwrap_or_else(|| CONFIG_FOLDER.into()),
            plugin_path: set("CNI_PATH").unwrap_or_else(default_path),
            ifname: if ifname.is_empty() {
                INTERFACE.to_owned()
            } else {
                ifname
            },
            capability_args: text("CAP_ARGS")?,
            args: text("CNI_ARGS")?,
        })
    }

    /// The values for capabilities: `CAP_ARGS` is a JSON object.
    pub(crate) fn capability_args(&self) -> Result<Map<String, Value>, CommandError> {
        if self.capability_args.is_empty() {
            return Ok(Map::new());
        }
        let wrong = |why: &dyn std::fmt::Display| {
            CommandError::new(format!("the variable CAP_ARGS is no JSON object: {why}"))
        };
        match read_value(self.capability_args.as_bytes()) {
            Ok(Value::Object(values)) => Ok(values),
            Ok(other) => Err(wrong(&other)),
            Err(error) => Err(wrong(&error)),
        }
    }

    /// `CNI_ARGS`, parsed: `KEY=VALUE;KEY=VALUE`.
    pub(crate) fn args(&self) -> Result<Vec<(String, String)>, CommandError> {
        let pair = |pair: &str| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() && !value.is_empty() && !value.contains('=') => {
                Ok((key.to_owned(), value.to_owned()))
            }
            _ => Err(CommandError::new(format!(
                "invalid CNI_ARGS pair {pair:?}; write KEY=VALUE;KEY=VALUE"
            ))),
        };
        let pieces = self.args.split(';').filter(|_| !self.args.is_empty());
        pieces.map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> Environment {
        Environment::read(|asked| (asked == name).then(|| value.into())).unwrap()
    }

    #[test]
    fn empty_variables_have_defaults() {
        for environment in [
            with("X", ""),
            with("NETCONFPATH", ""),
            with("CNI_IFNAME", ""),
        ] {
            assert_eq!(environment.config_folder, "/etc/cni/net.d");
            assert_eq!(environment.ifname, "eth0");
            assert_eq!(environment.args().unwrap(), []);
            assert_eq!(environment.capability_args().unwrap(), Map::new());
        }
        assert_eq!(with("CNI_PATH", "/a:/b").plugin_path, "/a:/b");
        assert_eq!(with("NETCONFPATH", "conf").config_folder, "conf");
        assert_eq!(with("CNI_IFNAME", "net1").ifname, "net1");
    }

    #[test]
    fn pairs_need_both_sides() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let args = with("CNI_ARGS", "B=2;A=x y").args().unwrap();
        assert_eq!(args, [pair("B", "2"), pair("A", "x y")]);
        for bad in ["A", "A=", "=b", "A=b=c", "A=b;", ";"] {
            let bad: &'static str = bad;
            let text = with("CNI_ARGS", bad).args().unwrap_err().sentence;
            assert!(text.starts_with("invalid CNI_ARGS pair \""), "{text}");
        }
    }

    #[test]
    fn capability_arguments_are_an_object() {
        let values = with("CAP_ARGS", r#"{"mac": "x", "ips": []}"#).capability_args();
        assert_eq!(values.unwrap().len(), 2);
        for bad in ["[]", "{", "null"] {
            let bad: &'static str = bad;
            let text = with("CAP_ARGS", bad)
                .capability_args()
                .unwrap_err()
                .sentence;
            assert!(
                text.starts_with("the variable CAP_ARGS is no JSON object: "),
                "{text}"
            );
        }
    }
}
