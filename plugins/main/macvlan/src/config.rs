//! The keys of `macvlan`, and what they mean together.

use cni_types::{Args, Code, Dns, Error, Request};
use ferrule_kernel::{Mac, Macvlan, MacvlanMode};
use serde::Deserialize;

/// The modes by their names in configurations.
const MODES: [(&str, MacvlanMode); 4] = [
    ("bridge", MacvlanMode::Bridge),
    ("private", MacvlanMode::Private),
    ("vepa", MacvlanMode::Vepa),
    ("passthru", MacvlanMode::Passthru),
];

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "runtimeConfig is the key's name")]
pub struct Config {
    /// The interface the link is put on; that of the default route if absent.
    master: Option<String>,
    /// Whom the link may talk to besides the wire: `bridge` if absent.
    mode: String,
    /// MTU in bytes, at most the master's; 0 is the master's.
    mtu: i64,
    /// Hardware address; the kernel's choice if absent.
    mac: String,
    /// Look the master up in the container.
    link_in_container: bool,
    /// Broadcast and multicast frames that the master holds for its links; 0 is the kernel's 1000.
    bcqueuelen: u32,
    /// Name resolution; replaces what the address plugin answers.
    pub(crate) dns: Dns,
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuntimeConfig {
    mac: String,
}

/// The configuration, checked as far as it can be without the master.
#[derive(Debug)]
pub(crate) struct Plan<'c> {
    pub(crate) master: Option<&'c str>,
    pub(crate) in_container: bool,
    pub(crate) macvlan: Macvlan,
    pub(crate) mtu: i64,
    pub(crate) mac: Option<Mac>,
}

impl<'c> Plan<'c> {
    pub(crate) fn new(config: &'c Config, request: &Request) -> Result<Self, Error> {
        Ok(Self {
            master: config.master.as_deref().filter(|name| !name.is_empty()),
            in_container: config.link_in_container,
            macvlan: Macvlan {
                mode: mode(&config.mode)?,
                broadcast_queue: (config.bcqueuelen > 0).then_some(config.bcqueuelen),
            },
            mtu: config.mtu,
            mac: config.mac(request)?,
        })
    }
}

fn invalid(msg: String) -> Error {
    Error::new(Code::InvalidConfig, msg)
}

fn mode(name: &str) -> Result<MacvlanMode, Error> {
    if name.is_empty() {
        return Ok(MacvlanMode::Bridge);
    }
    let known = MODES.into_iter().find(|(known, _)| *known == name);
    known.map(|(_, mode)| mode).ok_or_else(|| {
        invalid(format!("unknown macvlan mode: {name:?}"))
            .details("set the key mode to bridge, private, vepa or passthru")
    })
}

/// What a mode is called in configurations.
pub(crate) fn mode_name(mode: MacvlanMode) -> String {
    let known = MODES.into_iter().find(|(_, known)| *known == mode);
    known.map_or_else(|| format!("{mode:?}"), |(name, _)| name.to_owned())
}

impl Config {
    /// The hardware address: from `runtimeConfig`, else `CNI_ARGS`, else the key `mac`.
    fn mac(&self, request: &Request) -> Result<Option<Mac>, Error> {
        let args = Args::parse(&request.args, &["MAC"])
            .map_err(|error| Error::new(Code::InvalidEnvironment, error.to_string()))?;
        let candidates = [
            ("runtimeConfig.mac", self.runtime_config.mac.as_str()),
            ("CNI_ARGS MAC", args.value("MAC").unwrap_or_default()),
            ("mac", self.mac.as_str()),
        ];
        let chosen = candidates.into_iter().find(|(_, text)| !text.is_empty());
        chosen
            .map(|(source, text)| {
                parse_mac(text).map_err(|why| invalid(format!("{source}: {why}")))
            })
            .transpose()
    }
}

/// An address that an Ethernet interface can have: six bytes, not zero, and not a group's.
fn parse_mac(text: &str) -> Result<Mac, String> {
    let mac: Mac = text.parse().map_err(|error| format!("{error}"))?;
    match mac.ethernet() {
        None => Err(format!("MAC address {text:?} does not have six bytes")),
        Some([first, ..]) if first & 1 == 1 => {
            Err(format!("MAC address {text:?} is one of a group"))
        }
        Some([0, 0, 0, 0, 0, 0]) => Err(format!("MAC address {text:?} is zero")),
        Some(_) => Ok(mac),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_have_their_names_and_bridge_is_the_default() {
        assert_eq!(mode("").unwrap(), MacvlanMode::Bridge);
        for (name, expected) in MODES {
            assert_eq!(mode(name).unwrap(), expected);
            assert_eq!(mode_name(expected), name);
        }
        let error = mode("source").unwrap_err();
        assert_eq!((error.code, error.msg.contains("source")), (7, true));
        for (name, _) in MODES {
            assert!(error.details.contains(name), "{error}");
        }
    }

    #[test]
    fn only_addresses_of_one_interface_are_taken() {
        assert!(parse_mac("02-00-00-00-00-01").is_ok());
        for text in [
            "",
            "x",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "02:00:00:00:00:00:00:01",
        ] {
            assert!(parse_mac(text).is_err(), "{text:?} was accepted");
        }
    }
}
