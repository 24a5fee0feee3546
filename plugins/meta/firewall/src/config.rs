//! The keys of `firewall` and the plan made of them.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use cni_types::{Code, Error};
use ferrule_netfilter::nft;
use serde::{Deserialize, Serialize};

/// The default of `iptablesAdminChainName`.
const ADMIN_CHAIN: &str = "CNI-ADMIN";
/// The default of `firewalldZone`: firewalld accepts all packets from its sources.
const ZONE: &str = "trusted";
/// The default of `dataDir`. A restart of the node removes it, as it does the rules.
const FOLDER: &str = "/run/cni/firewall";
/// The longest chain name of iptables, in bytes (`XT_EXTENSION_MAXNAMELEN` less the final zero).
const MAX_CHAIN_NAME: usize = 28;
/// Names that are targets of iptables or chains of the plugin.
const OTHER_TARGETS: [&str; 12] = [
    "ACCEPT",
    "DROP",
    "RETURN",
    "QUEUE",
    "REJECT",
    "LOG",
    "INPUT",
    "OUTPUT",
    "FORWARD",
    "CNI-FORWARD",
    "CNI-ISOLATION-STAGE-1",
    "CNI-ISOLATION-STAGE-2",
];

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// `iptables`, `firewalld` or `nftables`; the default is firewalld if it runs, else iptables.
    #[cfg_attr(test, schemars(extend("enum" = ["iptables", "firewalld", "nftables"])))]
    backend: String,
    /// The chain for the administrator's own rules.
    iptables_admin_chain_name: String,
    /// The zone that the addresses become sources of.
    firewalld_zone: String,
    /// `open`, `same-bridge` or `isolated`.
    #[cfg_attr(test, schemars(extend("enum" = ["open", "same-bridge", "isolated"])))]
    ingress_policy: String,
    /// The forward chains to accept packets in, each as `family table chain`.
    nftables_forward_chains: Option<Vec<String>>,
    /// The folder of the plugin's state.
    data_dir: String,
}

/// Where the rules are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FirewallBackend {
    Iptables,
    Firewalld,
    Nftables,
}

/// Which packets to the containers of a bridge are dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Policy {
    /// None.
    #[default]
    Open,
    /// Those from containers of other bridges with a policy.
    SameBridge,
    /// Also those from other containers of the same bridge.
    Isolated,
}

/// A base chain of `nf_tables` at the forward hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForwardChain {
    pub(crate) family: nft::Family,
    pub(crate) table: String,
    pub(crate) chain: String,
}

/// The configuration, checked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `None` for the default of the node.
    pub(crate) backend: Option<FirewallBackend>,
    pub(crate) admin_chain: String,
    pub(crate) zone: String,
    pub(crate) policy: Policy,
    /// `None` for the usual ones, as far as they exist.
    pub(crate) forward_chains: Option<Vec<ForwardChain>>,
    pub(crate) folder: PathBuf,
}

fn invalid(msg: String) -> Error {
    Error::new(Code::InvalidConfig, msg)
}

impl Plan {
    /// Checks the configuration.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let chains = config.nftables_forward_chains.as_ref();
        let forward_chains = chains
            .map(|list| list.iter().map(|text| text.parse()).collect())
            .transpose()?;
        Ok(Self {
            backend: config.backend()?,
            admin_chain: checked_chain(or(&config.iptables_admin_chain_name, ADMIN_CHAIN))?,
            policy: config.policy()?,
            forward_chains,
            ..Self::for_cleaning(config)
        })
    }

    /// The part that DEL and GC need. Invalid values count as absent.
    pub(crate) fn for_cleaning(config: &Config) -> Self {
        let chains = config.nftables_forward_chains.as_ref();
        Self {
            backend: config.backend().unwrap_or_default(),
            admin_chain: or(&config.iptables_admin_chain_name, ADMIN_CHAIN).to_owned(),
            zone: or(&config.firewalld_zone, ZONE).to_owned(),
            policy: config.policy().unwrap_or_default(),
            forward_chains: chains
                .map(|list| list.iter().filter_map(|text| text.parse().ok()).collect()),
            folder: Path::new(or(&config.data_dir, FOLDER)).to_owned(),
        }
    }
}

impl Config {
    fn backend(&self) -> Result<Option<FirewallBackend>, Error> {
        match self.backend.as_str() {
            "" => Ok(None),
            "iptables" => Ok(Some(FirewallBackend::Iptables)),
            "firewalld" => Ok(Some(FirewallBackend::Firewalld)),
            "nftables" => Ok(Some(FirewallBackend::Nftables)),
            other => Err(invalid(format!("unrecognized backend {other:?}")).details(
                "use iptables, firewalld or nftables; without the key it is firewalld where that runs, else iptables",
            )),
        }
    }

    fn policy(&self) -> Result<Policy, Error> {
        match self.ingress_policy.as_str() {
            "" | "open" => Ok(Policy::Open),
            "same-bridge" => Ok(Policy::SameBridge),
            "isolated" => Ok(Policy::Isolated),
            other => Err(invalid(format!("unknown ingress policy: {other:?}"))
                .details("use open, same-bridge or isolated")),
        }
    }
}

/// A text, or the default for an empty one.
fn or<'t>(text: &'t str, usual: &'t str) -> &'t str {
    if text.is_empty() { usual } else { text }
}

fn checked_chain(name: &str) -> Result<String, Error> {
    let wrong = |why: &str| {
        Err(invalid(format!(
            "iptablesAdminChainName {name:?} cannot be a chain's name: it {why}"
        )))
    };
    if name.len() > MAX_CHAIN_NAME {
        return wrong("is longer than 28 bytes");
    }
    if name.starts_with(['-', '!']) {
        return wrong("begins with a sign that has a meaning to iptables");
    }
    if OTHER_TARGETS.contains(&name) {
        return wrong("means something else already");
    }
    let odd =
        |letter: char| letter.is_whitespace() || letter.is_control() || "\"'\\".contains(letter);
    if name.contains(odd) {
        return wrong("contains a blank, a quote or a control character");
    }
    Ok(name.to_owned())
}

impl Policy {
    /// The value of the key.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::SameBridge => "same-bridge",
            Self::Isolated => "isolated",
        }
    }
}

impl FromStr for ForwardChain {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            invalid(format!("nftablesForwardChains: {text:?} names no chain"))
                .details("write family, table and chain, as in \"inet filter forward\"")
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let [family, table, chain] = words[..] else {
            return Err(wrong());
        };
        let families = [nft::Family::Inet, nft::Family::Ipv4, nft::Family::Ipv6];
        let named = |known: &nft::Family| known.to_string() == family;
        Ok(Self {
            family: families.into_iter().find(named).ok_or_else(wrong)?,
            table: table.to_owned(),
            chain: chain.to_owned(),
        })
    }
}

impl std::fmt::Display for ForwardChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.family, self.table, self.chain)
    }
}

#[cfg(test)]
mod tests {
    use cni_types::json::JsonValue;

    use super::*;

    fn plan(text: &str) -> Result<Plan, Error> {
        Plan::new(&JsonValue::read(text.as_bytes()).unwrap().decode().unwrap())
    }

    #[test]
    fn absent_empty_and_null_are_the_same() {
        for text in [
            "{}",
            r#"{"backend": "", "iptablesAdminChainName": "", "firewalldZone": "", "ingressPolicy": ""}"#,
            r#"{"backend": null, "ingressPolicy": null, "nftablesForwardChains": null}"#,
            r#"{"zone": "public"}"#,
        ] {
            let plan = plan(text).unwrap();
            assert_eq!((plan.backend, plan.policy), (None, Policy::Open));
            assert_eq!(
                (plan.admin_chain.as_str(), plan.zone.as_str()),
                ("CNI-ADMIN", "trusted")
            );
            assert_eq!(plan.forward_chains, None);
            assert_eq!(plan.folder, Path::new("/run/cni/firewall"));
        }
    }

    #[test]
    fn keys_match_in_any_case_and_values_exactly() {
        let all = plan(
            r#"{"Backend": "nftables", "IPTABLESadminChainName": "MINE", "firewalldzone": "z",
                "INGRESSPOLICY": "isolated", "nftablesForwardChains": ["inet fw  fwd"]}"#,
        )
        .unwrap();
        assert_eq!(
            (all.backend, all.policy),
            (Some(FirewallBackend::Nftables), Policy::Isolated)
        );
        assert_eq!((all.admin_chain.as_str(), all.zone.as_str()), ("MINE", "z"));
        assert_eq!(all.forward_chains.unwrap()[0].to_string(), "inet fw fwd");
        assert!(plan(r#"{"backend": "IPTables"}"#).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_code_7() {
        for (text, told) in [
            (
                r#"{"backend": "ebtables"}"#,
                r#"unrecognized backend "ebtables""#,
            ),
            (
                r#"{"ingressPolicy": "closed"}"#,
                r#"unknown ingress policy: "closed""#,
            ),
            (
                r#"{"iptablesAdminChainName": "FORWARD"}"#,
                "means something else already",
            ),
            (r#"{"iptablesAdminChainName": "a b"}"#, "contains a blank"),
            (r#"{"iptablesAdminChainName": "-j"}"#, "begins with a sign"),
            (
                r#"{"iptablesAdminChainName": "A-CHAIN-NAME-OF-29-CHARACTERS"}"#,
                "is longer than 28 bytes",
            ),
            (
                r#"{"nftablesForwardChains": ["filter forward"]}"#,
                "names no chain",
            ),
            (
                r#"{"nftablesForwardChains": ["bridge f c"]}"#,
                "names no chain",
            ),
        ] {
            let error = plan(text).unwrap_err();
            assert_eq!(error.code, 7, "{text}");
            assert!(error.msg.contains(told), "{error}");
        }
    }

    #[test]
    fn cleaning_uses_what_makes_sense() {
        let text = r#"{"backend": "x", "ingressPolicy": "y", "firewalldZone": "z",
            "nftablesForwardChains": ["nonsense", "ip filter FORWARD"]}"#;
        let config = JsonValue::read(text.as_bytes()).unwrap().decode().unwrap();
        let plan = Plan::for_cleaning(&config);
        assert_eq!((plan.backend, plan.policy), (None, Policy::Open));
        assert_eq!(plan.zone, "z");
        assert_eq!(plan.forward_chains.unwrap().len(), 1);
    }
}
