//! The keys of `tap`, and what they mean together.

use cni_types::{Args, Code, Dns, Error, Request};
use ferrule_kernel::Mac;
use serde::Deserialize;

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// Let several processes or threads attach at once, a queue each.
    multi_queue: bool,
    /// MTU in bytes; 0 is the kernel's default.
    mtu: u32,
    /// Hardware address; random if absent.
    mac: String,
    /// Who may attach, as a user id.
    owner: Option<u32>,
    /// Which group may attach, as a group id.
    group: Option<u32>,
    /// `SELinux` context of the link.
    selinux_context: String,
    /// The bridge inside the container that the link becomes a port of.
    bridge: String,
    /// Name resolution; replaces what the address plugin answers.
    pub(crate) dns: Dns,
    #[serde(rename = "runtimeConfig")]
    from_runtime: FromRuntime,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FromRuntime {
    mac: String,
}

/// The configuration, checked: nothing in it can be refused any more but by the kernel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) multi_queue: bool,
    pub(crate) mtu: Option<u32>,
    pub(crate) mac: Option<Mac>,
    pub(crate) owner: Option<u32>,
    pub(crate) group: Option<u32>,
    pub(crate) selinux_context: Option<String>,
    pub(crate) bridge: Option<String>,
}

impl Plan {
    pub(crate) fn new(config: &Config, request: &Request) -> Result<Self, Error> {
        let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Self {
            multi_queue: config.multi_queue,
            mtu: (config.mtu > 0).then_some(config.mtu),
            mac: config.mac(&request.args)?,
            owner: config.owner,
            group: config.group,
            selinux_context: set(&config.selinux_context),
            bridge: set(&config.bridge),
        })
    }
}

impl Config {
    /// The hardware address: from `runtimeConfig`, else `CNI_ARGS`, else the configuration.
    fn mac(&self, args: &str) -> Result<Option<Mac>, Error> {
        let args = Args::parse(args, &["MAC"])
            .map_err(|error| Error::new(Code::InvalidEnvironment, error.to_string()))?;
        let candidates = [
            ("runtimeConfig.mac", self.from_runtime.mac.as_str()),
            ("CNI_ARGS MAC", args.value("MAC").unwrap_or_default()),
            ("mac", self.mac.as_str()),
        ];
        let chosen = candidates.into_iter().find(|(_, text)| !text.is_empty());
        chosen
            .map(|(key, text)| ethernet_address(key, text))
            .transpose()
    }
}

fn ethernet_address(key: &str, text: &str) -> Result<Mac, Error> {
    let invalid = |problem: &dyn std::fmt::Display| {
        Error::new(
            Code::InvalidConfig,
            format!("key {key} {text:?}: {problem}"),
        )
        .details("write six bytes in hexadecimal, for example 02:00:5e:10:00:01")
    };
    let mac: Mac = text.parse().map_err(|error| invalid(&error))?;
    match mac.ethernet() {
        Some(first) if first.first().is_some_and(|byte| byte & 1 == 0) => Ok(mac),
        Some(_) => Err(invalid(&"a group address cannot be a link's own")),
        None => Err(invalid(&"not of six bytes, as Ethernet has it")),
    }
}

#[cfg(test)]
mod tests {
    use cni_types::json::Node;

    use super::*;

    fn config(text: &str) -> Config {
        Node::read(text.as_bytes()).unwrap().decode().unwrap()
    }

    fn mac(text: &str, args: &str) -> Result<Option<String>, Error> {
        Ok(config(text).mac(args)?.map(|mac| mac.to_string()))
    }

    #[test]
    fn the_runtime_wins_over_arguments_and_those_over_the_configuration() {
        let both = r#"{"mac": "02:00:00:00:00:01", "RuntimeConfig": {"mac": "02-00-00-00-00-03"}}"#;
        let one = r#"{"mac": "0200.0000.0001", "runtimeConfig": {"mac": ""}}"#;
        let args = "MAC=02:00:00:00:00:02";
        assert_eq!(mac(both, args), Ok(Some("02:00:00:00:00:03".into())));
        assert_eq!(mac(one, args), Ok(Some("02:00:00:00:00:02".into())));
        assert_eq!(mac(one, "MAC="), Ok(Some("02:00:00:00:00:01".into())));
        assert_eq!(mac("{}", ""), Ok(None));
    }

    #[test]
    fn a_wrong_address_names_its_key() {
        for (text, args, key, code) in [
            (r#"{"mac": "x"}"#, "", "key mac \"x\"", 7),
            (r#"{"mac": "01:00:5e:00:00:01"}"#, "", "a group address", 7),
            (r#"{"mac": "02:00:00:00:00:00:00:01"}"#, "", "six bytes", 7),
            ("{}", "MAC=1", "CNI_ARGS MAC", 7),
            (
                r#"{"runtimeConfig": {"mac": "y"}}"#,
                "",
                "runtimeConfig.mac",
                7,
            ),
            ("{}", "A=1", "CNI_ARGS", 4),
        ] {
            let error = mac(text, args).unwrap_err();
            assert!(error.code == code && error.msg.contains(key), "{error}");
        }
    }

    #[test]
    fn owner_zero_is_an_owner() {
        let config =
            config(r#"{"OWNER": 0, "group": null, "multiQueue": true, "args": {"cni": 1}}"#);
        assert_eq!(
            (config.owner, config.group, config.multi_queue),
            (Some(0), None, true)
        );
    }
}
