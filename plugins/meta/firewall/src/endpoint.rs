//! The attachment to write rules for, read from the previous result.

use std::net::IpAddr;

use cni_types::{CniResult, check_interface_name};
use ferrule_net::{AttachmentId, NetError};

use crate::chains::Isolation;
use crate::config::{Plan, Policy};

/// An attachment with its addresses.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: AttachmentId,
    pub(crate) addresses: Vec<IpAddr>,
    /// The bridge that the ingress policy applies to, if there is a policy.
    pub(crate) bridge: Option<String>,
}

impl Endpoint {
    /// Reads it from the previous result: every address; the first interface is the bridge.
    pub(crate) fn new(id: AttachmentId, plan: &Plan, result: &CniResult) -> Result<Self, NetError> {
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

    /// The policy of the bridge.
    pub(crate) fn isolation(&self, policy: Policy, keep_isolated: bool) -> Option<Isolation<'_>> {
        let bridge = self.bridge.as_deref()?;
        Some(Isolation {
            bridge,
            policy,
            keep_isolated,
        })
    }
}

/// The addresses of a result, each once.
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

fn bridge(policy: Policy, result: &CniResult) -> Result<String, NetError> {
    let name = result.interfaces.first().map(|first| first.name.as_str());
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Err(NetError::Unusable(format!(
            "interface needs to be set for ingress policy {:?}, \
             make sure to chain \"firewall\" plugin with \"bridge\"",
            policy.name()
        )));
    };
    // The name becomes part of rules, and the name of a folder.
    if check_interface_name(name).is_err() {
        return Err(NetError::Unusable(format!(
            "the first interface of prevResult has an impossible name: {name:?}"
        )));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use cni_types::json::JsonValue;
    use cni_types::{CniResult, SpecVersion};

    use super::*;
    use crate::config::Config;

    fn endpoint(config: &str, result: &str) -> Result<Endpoint, NetError> {
        let config: Config = JsonValue::read(config.as_bytes())
            .unwrap()
            .decode()
            .unwrap();
        let node = JsonValue::read(result.as_bytes()).unwrap();
        let result = CniResult::from_json(&node, SpecVersion::V1_0_0).unwrap();
        let id = AttachmentId {
            network: "net".into(),
            container_id: "c".into(),
            ifname: "eth0".into(),
        };
        Endpoint::new(id, &Plan::new(&config).unwrap(), &result)
    }

    #[test]
    fn every_address_counts_once_whatever_interface_it_is_on() {
        let result = r#"{"ips": [{"address": "10.1.2.3/24", "interface": 9}, {"address": "10.1.2.3/16"},
            {"address": "fd00::3/64"}]}"#;
        let endpoint = endpoint("{}", result).unwrap();
        let texts: Vec<_> = endpoint.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10.1.2.3", "fd00::3"]);
        assert!(endpoint.bridge.is_none());
    }

    #[test]
    fn a_policy_is_about_the_first_interface() {
        let policy = r#"{"ingressPolicy": "isolated"}"#;
        let address = r#""ips": [{"address": "10.1.2.3/24"}]"#;
        let first = format!(r#"{{"interfaces": [{{"name": "br"}}, {{"name": "v"}}], {address}}}"#);
        assert_eq!(
            endpoint(policy, &first).unwrap().bridge.as_deref(),
            Some("br")
        );
        for interfaces in ["[]", r#"[{"name": ""}]"#] {
            let result = format!(r#"{{"interfaces": {interfaces}, {address}}}"#);
            let error = endpoint(policy, &result).unwrap_err().to_string();
            assert!(
                error.starts_with(r#"interface needs to be set for ingress policy "isolated""#)
            );
            assert!(endpoint("{}", &result).is_ok());
        }
        assert!(endpoint(policy, "{}").unwrap().bridge.is_none());
        let odd = format!(r#"{{"interfaces": [{{"name": "../../x"}}], {address}}}"#);
        let error = endpoint(policy, &odd).unwrap_err().to_string();
        assert_eq!(
            error,
            r#"the first interface of prevResult has an impossible name: "../../x""#
        );
    }
}
