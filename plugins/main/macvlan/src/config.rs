//! The keys of `macvlan`, and what they mean together.

use cni_types::{Code, Error, Request};
use ferrule_kernel::{Macvlan, MacvlanMode};
use ferrule_net::configured_mac;
use ferrule_net::link::{Addresses, LinkSpec, Master};
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
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuntimeConfig {
    mac: String,
}

impl Config {
    /// The configuration, checked as far as it can be without the master.
    pub(crate) fn spec(&self, request: &Request) -> Result<LinkSpec<'_, Macvlan>, Error> {
        let args = request.cni_args(&["MAC"])?;
        Ok(LinkSpec {
            master: Some(Master::new(self.master.as_deref(), self.link_in_container)),
            mtu: self.mtu,
            mac: configured_mac([
                ("runtimeConfig.mac", self.runtime_config.mac.as_str()),
                ("CNI_ARGS MAC", args.value("MAC").unwrap_or_default()),
                ("mac", self.mac.as_str()),
            ])?,
            addresses: Addresses::Optional,
            settings: Macvlan {
                mode: mode(&self.mode)?,
                broadcast_queue: (self.bcqueuelen > 0).then_some(self.bcqueuelen),
            },
        })
    }
}

fn mode(name: &str) -> Result<MacvlanMode, Error> {
    if name.is_empty() {
        return Ok(MacvlanMode::Bridge);
    }
    let known = MODES.into_iter().find(|(known, _)| *known == name);
    known.map(|(_, mode)| mode).ok_or_else(|| {
        Error::new(
            Code::InvalidConfig,
            format!("unknown macvlan mode: {name:?}"),
        )
        .details("set the key mode to bridge, private, vepa or passthru")
    })
}

/// What a mode is called in configurations.
pub(crate) fn mode_name(mode: MacvlanMode) -> String {
    let known = MODES.into_iter().find(|(_, known)| *known == mode);
    known.map_or_else(|| format!("{mode:?}"), |(name, _)| name.to_owned())
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
}
