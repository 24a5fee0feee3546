//! The configuration of one plugin.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;

use cni_types::Dns;
use cni_types::json::{JsonValue, read_value, to_compact};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::ConfigError;

/// One plugin of a network: its executable and its configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    bytes: Vec<u8>,
    object: Map<String, Value>,
    known: Known,
}

/// The keys that a runtime reads.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Known {
    #[serde(rename = "cniVersion")]
    cni_version: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    capabilities: BTreeMap<String, bool>,
    ipam: Ipam,
    dns: Dns,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Ipam {
    #[serde(rename = "type")]
    kind: String,
}

impl PluginConfig {
    /// Reads the JSON object of one plugin.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        let value = read_value(bytes).map_err(plugin)?;
        Self::new(value, bytes.to_vec())
    }

    /// Reads a file that holds the object of one plugin (`*.conf`, `*.json`).
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let bytes = ferrule_file::read(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::from_bytes(&bytes).map_err(|error| error.in_file(path.to_owned()))
    }

    pub(super) fn from_value(value: Value) -> Result<Self, ConfigError> {
        let bytes = to_compact(&value).into_bytes();
        Self::new(value, bytes)
    }

    fn new(value: Value, bytes: Vec<u8>) -> Result<Self, ConfigError> {
        let value = whole_numbers(value);
        let json = JsonValue::read(to_compact(&value).as_bytes());
        let known: Known = json.map_err(plugin)?.decode().map_err(plugin)?;
        if known.kind.is_empty() {
            return Err(plugin("missing 'type'"));
        }
        let Value::Object(object) = value else {
            return Err(plugin("not an object"));
        };
        Ok(Self {
            bytes,
            object,
            known,
        })
    }

    /// The key `type`: the name of the executable.
    pub fn kind(&self) -> &str {
        &self.known.kind
    }

    /// The plugin object's own `name`, normally absent and then empty.
    pub fn name(&self) -> &str {
        &self.known.name
    }

    /// The plugin object's own `cniVersion`; empty if absent.
    pub fn version(&self) -> &str {
        &self.known.cni_version
    }

    /// The key `ipam.type`: the IPAM plugin; empty if there is none.
    pub fn ipam(&self) -> &str {
        &self.known.ipam.kind
    }

    /// The capabilities that the configuration enables.
    pub fn capabilities(&self) -> BTreeSet<&str> {
        let enabled = self.known.capabilities.iter().filter(|(_, on)| **on);
        enabled.map(|(name, _)| name.as_str()).collect()
    }

    /// The configuration as it was read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The plugin's standard input: its configuration with the runtime's keys set.
    pub(crate) fn request(
        &self,
        injected: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Vec<u8> {
        let mut object = self.object.clone();
        for (key, value) in injected {
            set(&mut object, key, value);
        }
        to_compact(&object).into_bytes()
    }
}

fn plugin(problem: impl Display) -> ConfigError {
    ConfigError::Plugin(problem.to_string())
}

/// Sets `key`, and removes other spellings of it: a plugin would take the one that sorts last.
fn set(object: &mut Map<String, Value>, key: &str, value: Value) {
    object.retain(|other, _| !other.eq_ignore_ascii_case(key));
    object.insert(key.to_owned(), value);
}

/// Writes `1500.0` and `1.5e3` as `1500`.
///
/// Plugins refuse fractions in integer fields, but the Go library decodes every number to a float,
/// which drops an empty fraction.
fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => number
            .as_f64()
            .and_then(whole)
            .map_or(Value::Number(number), Value::from),
        Value::Array(values) => values.into_iter().map(whole_numbers).collect(),
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, whole_numbers(value)))
            .collect(),
        other => other,
    }
}

/// The integer equal to `number`, in the range where floats represent every integer.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() != 0.0 || number.abs() > EXACT {
        return None;
    }
    format!("{number:.0}").parse().ok()
}
