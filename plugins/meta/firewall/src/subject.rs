//! What an attachment is to get, as the plugins before this one tell it.

use std::net::IpAddr;

use cni_types::{CniResult, check_interface_name};
use ferrule_net::AttachmentId;

use crate::config::{Plan, Policy};
use crate::error::FirewallError;
use crate::layout::Isolation;

/// An attachment and what it is to get.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) id: AttachmentId,
    pub(crate) addresses: Vec<IpAddr>,
    /// The bridge that the ingress policy is about, if there is a policy.
    pub(crate) bridge: Option<String>,
}

impl Subject {
    /// Reads it from the previous result: every address there, and as bridge the first interface.
    pub(crate) fn new(
        id: AttachmentId,
        plan: &Plan,
        result: &CniResult,
    ) -> Result<Self, FirewallError> {
        let addresses = addresses(result);
        let bridge = if plan.policy == Policy::Open || addresses.is_empty() {
            None
        } else {
            Some(bridge(plan.policy, result)?)
        };
        Ok(Self {
            id,
            addresses,
            bridge,
        })
    }

    /// What the policy asks for.
    pub(crate) fn isolation(&self, policy: Policy, keep_isolated: bool) -> Option<Isolation<'_>> {
        let bridge = self.bridge.as_deref()?;
        Some(Isolation {
            bridge,
            policy,
            keep_isolated,
        })
    }
}

/// Every address of a result, once.
pub(crate) fn addresses(result: &CniResult) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for ip in &result.ips {
        let address = ip.address.address();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

fn bridge(policy: Policy, result: &CniResult) -> Result<String, FirewallError> {
    let name = result.interfaces.first().map(|first| first.name.as_str());
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        let policy = policy.name();
        return Err(FirewallError::NoBridge { policy });
    };
    // It becomes part of rules, and the name of a folder.
    if check_interface_name(name).is_err() {
        let name = name.to_owned();
        return Err(FirewallError::BridgeName { name });
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use cni_types::json::JsonValue;
    use cni_types::{CniResult, SpecVersion};

    use super::*;
    use crate::config::Config;

    fn subject(config: &str, result: &str) -> Result<Subject, FirewallError> {
        let config: Config = JsonValue::read(config.as_bytes())
            .unwrap()
            .decode()
            .unwrap();
        let node = JsonValue::read(result.as_bytes()).unwrap();
        let result = CniResult::from_node(&node, SpecVersion::V1_0_0).unwrap();
        let id = AttachmentId {
            network: "net".into(),
            container_id: "c".into(),
            ifname: "eth0".into(),
        };
        Subject::new(id, &Plan::new(&config).unwrap(), &result)
    }

    #[test]
    fn every_address_counts_once_whatever_interface_it_is_on() {
        let result = r#"{"ips": [{"address": "10.1.2.3/24", "interface": 9}, {"address": "10.1.2.3/16"},
            {"address": "fd00::3/64"}]}"#;
        let subject = subject("{}", result).unwrap();
        let texts: Vec<_> = subject.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10.1.2.3", "fd00::3"]);
        assert!(subject.bridge.is_none());
    }

    #[test]
    fn a_policy_is_about_the_first_interface() {
        let policy = r#"{"ingressPolicy": "isolated"}"#;
        let address = r#""ips": [{"address": "10.1.2.3/24"}]"#;
        let first = format!(r#"{{"interfaces": [{{"name": "br"}}, {{"name": "v"}}], {address}}}"#);
        assert_eq!(
            subject(policy, &first).unwrap().bridge.as_deref(),
            Some("br")
        );
        for interfaces in ["[]", r#"[{"name": ""}]"#] {
            let result = format!(r#"{{"interfaces": {interfaces}, {address}}}"#);
            let error = subject(policy, &result).unwrap_err().to_string();
            assert!(
                error.starts_with(r#"interface needs to be set for ingress policy "isolated""#)
            );
            assert!(subject("{}", &result).is_ok());
        }
        assert!(subject(policy, "{}").unwrap().bridge.is_none());
        let odd = format!(r#"{{"interfaces": [{{"name": "../../x"}}], {address}}}"#);
        let error = subject(policy, &odd).unwrap_err().to_string();
        assert_eq!(
            error,
            r#"the first interface of prevResult has an impossible name: "../../x""#
        );
    }
}
