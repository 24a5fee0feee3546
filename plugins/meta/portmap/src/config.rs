//! The keys of `portmap` and the plan made of them.

use cni_types::{Code, Error};
use ferrule_kernel::Family;
use ferrule_netfilter::Backend;
use serde::Deserialize;

use crate::mapping::{Entry, Mapping};

/// The default of `markMasqBit`.
const DEFAULT_MARK_BIT: u32 = 13;

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "runtimeConfig is the key's name")]
pub struct Config {
    /// `iptables` or `nftables`; the default is that of the node.
    #[cfg_attr(test, schemars(extend("enum" = ["iptables", "nftables"])))]
    backend: Option<String>,
    /// Masquerade connections whose replies would not return through the host; true by default.
    snat: Option<bool>,
    /// Masquerade every connection to a mapped port.
    masq_all: bool,
    /// Further matches of IPv4 packets, in the syntax of the back end.
    conditions_v4: Option<Vec<String>>,
    /// The same for IPv6 packets.
    conditions_v6: Option<Vec<String>>,
    /// The bit of the packet mark for masquerading (iptables only).
    #[cfg_attr(test, schemars(range(min = 0, max = 31)))]
    mark_masq_bit: Option<i64>,
    /// An existing chain that marks packets for masquerading (iptables only).
    external_set_mark_chain: Option<String>,
    /// Keep mappings as elements of maps instead of rules (nftables only).
    nftables_maps: bool,
    /// `portMappings`: the ports of the host that lead to the container.
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
struct RuntimeConfig {
    /// The ports of the host that lead to the container.
    port_mappings: Vec<Entry>,
}

/// The configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The configured back end.
    pub(crate) backend: Option<Backend>,
    pub(crate) masquerading: Masquerading,
    pub(crate) marking: Marking,
    pub(crate) conditions: Conditions,
    /// Whether mappings are kept in maps.
    pub(crate) maps: bool,
    /// In the configuration's order.
    pub(crate) mappings: Vec<Mapping>,
}

/// Whose connections are masqueraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Masquerading {
    /// Nobody's (`snat` false).
    Nobody,
    /// Those from the container's own network and from the host's loopback address: replies to them
    /// would not pass the translation.
    Neighbours,
    /// Everybody's (`masqAll`).
    Everybody,
}

/// How iptables marks connections for masquerading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Marking {
    /// This bit of the packet mark.
    Bit(u32),
    /// A chain of the administrator.
    Chain(String),
}

/// Further matches of packets, in the syntax of the back end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    v4: Vec<String>,
    v6: Vec<String>,
}

impl Conditions {
    /// The matches of one family.
    pub(crate) fn of(&self, family: Family) -> &[String] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

impl Plan {
    /// Checks everything, in the order of checks of the Go plugin.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let marking = config.marking()?;
        let backend = config.backend.as_deref().map(backend).transpose()?;
        let backend = backend.or(config.nftables_maps.then_some(Backend::Nftables));
        if let Some(backend) = backend {
            config.check_options(backend)?;
        }
        let conditions = Conditions {
            v4: config.conditions_v4.clone().unwrap_or_default(),
            v6: config.conditions_v6.clone().unwrap_or_default(),
        };
        if config.nftables_maps && conditions != Conditions::default() {
            let msg = "nftablesMaps cannot be combined with conditionsV4 or conditionsV6";
            return Err(invalid(msg));
        }
        let mappings = config.runtime_config.port_mappings.iter();
        Ok(Self {
            backend,
            masquerading: match (config.snat.unwrap_or(true), config.masq_all) {
                (false, _) => Masquerading::Nobody,
                (true, false) => Masquerading::Neighbours,
                (true, true) => Masquerading::Everybody,
            },
            marking,
            conditions,
            maps: config.nftables_maps,
            mappings: mappings.map(Mapping::new).collect::<Result<_, _>>()?,
        })
    }
}

impl Config {
    /// The valid mappings, for DEL, which must not fail because of the others.
    pub(crate) fn readable_mappings(&self) -> Vec<Mapping> {
        let entries = self.runtime_config.port_mappings.iter();
        entries
            .filter_map(|entry| Mapping::new(entry).ok())
            .collect()
    }

    fn marking(&self) -> Result<Marking, Error> {
        if self.external_set_mark_chain.is_some() && self.mark_masq_bit.is_some() {
            return Err(invalid(
                "Cannot specify externalSetMarkChain and markMasqBit",
            ));
        }
        if let Some(chain) = &self.external_set_mark_chain {
            return Ok(Marking::Chain(chain.clone()));
        }
        let bit = self.mark_masq_bit.unwrap_or(i64::from(DEFAULT_MARK_BIT));
        let bit = u32::try_from(bit).ok().filter(|bit| *bit < 32);
        bit.map(Marking::Bit)
            .ok_or_else(|| invalid("MasqMarkBit must be between 0 and 31"))
    }

    /// Refuses options of the other back end.
    pub(crate) fn check_options(&self, backend: Backend) -> Result<(), Error> {
        let foreign = |words: &Option<Vec<String>>| {
            let first = words.as_deref().unwrap_or_default().first()?;
            let style = match first.chars().next()? {
                '-' | '!' => Backend::Iptables,
                _ => Backend::Nftables,
            };
            (style != backend).then_some(style)
        };
        let mut wrong = Vec::new();
        if self.external_set_mark_chain.is_some() && backend != Backend::Iptables {
            wrong.push("externalSetMarkChain");
        }
        if foreign(&self.conditions_v4).is_some() {
            wrong.push("conditionsV4");
        }
        if foreign(&self.conditions_v6).is_some() {
            wrong.push("conditionsV6");
        }
        if self.nftables_maps && backend != Backend::Nftables {
            wrong.push("nftablesMaps");
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let other = match backend {
            Backend::Iptables => Backend::Nftables,
            Backend::Nftables => Backend::Iptables,
        };
        Err(invalid(&format!(
            "{backend} backend was requested but configuration contains {other}-specific options [{}]",
            wrong.join(" ")
        )))
    }
}

fn backend(name: &str) -> Result<Backend, Error> {
    Backend::named(name).ok_or_else(|| {
        invalid(&format!("unrecognized backend {name:?}"))
            .details("the key backend is iptables or nftables; without it the node's is used")
    })
}

fn invalid(msg: &str) -> Error {
    Error::new(Code::InvalidConfig, msg)
}

#[cfg(test)]
mod tests;
