//! Containers behind veth pairs, with limits.

use ferrule_testkit::{Call, Host};
use ferrule_tests::{Attachment, Network, with_keys, with_prev_result};
use serde_json::{Value, json};

/// An attached container, and the call that limits it.
pub(crate) struct Pod {
    pub(crate) attachment: Attachment,
    /// The call of `bandwidth`, with the result of the container's network.
    pub(crate) call: Call,
    pub(crate) config: Value,
}

/// 20 Mbit/s in both directions, with bursts of 10 ms.
pub(crate) fn both() -> Value {
    json!({ "ingressRate": 20_000_000, "ingressBurst": 200_000,
            "egressRate": 20_000_000, "egressBurst": 200_000 })
}

/// The keys of one direction only.
pub(crate) fn only(direction: &str) -> Value {
    let mut keys = both();
    let keys = keys.as_object_mut().unwrap();
    keys.retain(|key, _| key.starts_with(direction));
    Value::Object(keys.clone())
}

/// Attaches a container to the network and prepares a call of `bandwidth` with these keys.
#[track_caller]
pub(crate) fn pod(host: &Host, network: &Network, name: &str, keys: &Value) -> Pod {
    let attachment = network.attach(host, name);
    let config = config(&attachment.config["cniVersion"], keys);
    let config = with_prev_result(&config, &attachment.result);
    let call = host
        .plugin("bandwidth")
        .container(name)
        .netns(&attachment.container)
        .ifname("eth0")
        .config(&config);
    Pod {
        attachment,
        call,
        config,
    }
}

/// A configuration of `bandwidth`.
pub(crate) fn config(version: &Value, keys: &Value) -> Value {
    with_keys(
        json!({ "cniVersion": version, "name": "net", "type": "bandwidth" }),
        keys,
    )
}

impl Pod {
    /// ADD; returns the result.
    #[track_caller]
    pub(crate) fn limit(&self) -> Value {
        self.call.add().succeeds().json()
    }

    /// The call with this result of ADD.
    pub(crate) fn call_after(&self, result: &Value) -> Call {
        let config = with_prev_result(&self.config, result);
        self.call.clone().config(&config)
    }
}

/// The names of the IFB links of a host.
pub(crate) fn ifbs(host: &Host) -> Vec<String> {
    let links = host.ip_json("link show type ifb");
    let names = links.as_array().unwrap().iter();
    names
        .map(|link| link["ifname"].as_str().unwrap().to_owned())
        .collect()
}

/// The queueing disciplines and ingress filters of a link, as `tc` prints them.
pub(crate) fn control(host: &Host, link: &str) -> String {
    let qdiscs = host.tool("tc", format!("-d qdisc show dev {link}"));
    let filters = host.tool("tc", format!("filter show dev {link} ingress"));
    format!("{qdiscs}{filters}")
}
