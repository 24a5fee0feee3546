//! The ports that an attachment publishes, from the capability `portMappings` of its ADD.

use std::fmt;

use libcni::cache::Entry;
use serde_json::{Map, Value};

/// A port of the host that leads to one of the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublishedPort {
    /// The address of the host; empty for all.
    pub(crate) host_ip: String,
    pub(crate) host_port: u64,
    pub(crate) container_port: u64,
    pub(crate) protocol: String,
}

impl PublishedPort {
    /// The ports of an attachment. Keys match in any case: containerd writes `HostPort`.
    pub(crate) fn of(entry: &Entry) -> Vec<Self> {
        let mappings = entry.capability_args.get("portMappings");
        let mappings = mappings.and_then(Value::as_array).into_iter().flatten();
        mappings
            .filter_map(Value::as_object)
            .map(|mapping| Self {
                host_ip: text(mapping, "hostIP").unwrap_or_default(),
                host_port: number(mapping, "hostPort"),
                container_port: number(mapping, "containerPort"),
                protocol: text(mapping, "protocol").unwrap_or_else(|| "tcp".to_owned()),
            })
            .filter(|port| port.host_port > 0)
            .collect()
    }
}

impl fmt::Display for PublishedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host_ip,
            host_port,
            container_port,
            protocol,
        } = self;
        match host_ip.as_str() {
            "" => write!(f, "{host_port}"),
            ip if ip.contains(':') => write!(f, "[{ip}]:{host_port}"),
            ip => write!(f, "{ip}:{host_port}"),
        }?;
        write!(f, "->{container_port}/{protocol}")
    }
}

fn value<'m>(mapping: &'m Map<String, Value>, key: &str) -> Option<&'m Value> {
    let is_it = |(name, _): &(&String, &'m Value)| name.eq_ignore_ascii_case(key);
    mapping.iter().find(is_it).map(|(_, value)| value)
}

fn text(mapping: &Map<String, Value>, key: &str) -> Option<String> {
    let text = value(mapping, key)?.as_str()?;
    (!text.is_empty()).then(|| text.to_lowercase())
}

fn number(mapping: &Map<String, Value>, key: &str) -> u64 {
    value(mapping, key)
        .and_then(Value::as_u64)
        .unwrap_or_default()
}
