//! The configuration of a network.

use std::fmt::Display;

use cni_types::json::{read_value, to_compact};
use cni_types::{ReleaseNumber, SpecVersion, VersionError};
use serde_json::{Map, Value, json};

use super::{ConfigError, PluginConfig};

/// The plugins that make up a network, in the order of ADD.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkList {
    pub(super) name: String,
    version: String,
    disable_check: bool,
    disable_gc: bool,
    pub(super) inlined_only: bool,
    pub(super) plugins: Vec<PluginConfig>,
    bytes: Vec<u8>,
}

impl NetworkList {
    /// Reads a configuration list, without plugins in separate files.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        let object = match read_value(bytes) {
            Ok(Value::Object(object)) => Keys(object),
            Ok(_) => return Err(list("not an object")),
            Err(error) => return Err(list(error)),
        };
        let inlined_only = object.switch("loadOnlyInlinedPlugins")?;
        Ok(Self {
            name: object
                .text("name")?
                .ok_or_else(|| list("no name"))?
                .to_owned(),
            version: object.version()?,
            disable_check: object.switch("disableCheck")?,
            disable_gc: object.switch("disableGC")?,
            inlined_only,
            plugins: object.plugins(inlined_only)?,
            bytes: bytes.to_vec(),
        })
    }

    /// The network of a single plugin, as configured before lists existed.
    pub fn from_plugin(plugin: &PluginConfig) -> Result<Self, ConfigError> {
        let object = read_value(plugin.bytes());
        let list = json!({
            "cniVersion": plugin.version(),
            "name": plugin.name(),
            "plugins": [object.map_err(|error| ConfigError::Plugin(error.to_string()))?],
        });
        Self::from_bytes(to_compact(&list).as_bytes())
    }

    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version for requests: the highest one in the list that this library knows. May be any text
    /// if the list has just one; empty means 0.1.0.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether the version is `version` or newer.
    pub(crate) fn is_since(&self, version: SpecVersion) -> Result<bool, VersionError> {
        let own: ReleaseNumber = self.version.parse()?;
        Ok(own >= version.into())
    }

    /// Whether CHECK succeeds without running plugins.
    pub fn disable_check(&self) -> bool {
        self.disable_check
    }

    /// Whether GC does nothing.
    pub fn disable_gc(&self) -> bool {
        self.disable_gc
    }

    /// The plugins, those from separate files last.
    pub fn plugins(&self) -> &[PluginConfig] {
        &self.plugins
    }

    /// The list as it was read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The object of a list, whose keys match exactly.
struct Keys(Map<String, Value>);

impl Keys {
    fn text(&self, key: &str) -> Result<Option<&str>, ConfigError> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(key, "a string")),
        }
    }

    /// A boolean, or its text in any case.
    fn switch(&self, key: &str) -> Result<bool, ConfigError> {
        match self.0.get(key) {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(Value::String(word)) if word.eq_ignore_ascii_case("true") => Ok(true),
            Some(Value::String(word)) if word.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(wrong(key, "true or false")),
        }
    }

    /// The highest version of `cniVersions` and `cniVersion` that this library knows.
    fn version(&self) -> Result<String, ConfigError> {
        let single = self.text("cniVersion")?.unwrap_or_default();
        let key = "cniVersions";
        let wrong = || wrong(key, "a list of strings");
        let Some(offered) = self.0.get(key) else {
            return Ok(single.to_owned());
        };
        let offered = offered.as_array().ok_or_else(wrong)?;
        let mut best: Option<(ReleaseNumber, &str)> = None;
        let texts = offered.iter().map(|v| v.as_str().ok_or_else(wrong));
        for text in texts.chain([Ok(single)]) {
            let text = text?;
            let number: ReleaseNumber = text.parse().map_err(list)?;
            let known = number <= SpecVersion::LATEST.into();
            if known && best.is_none_or(|(highest, _)| number > highest) {
                best = Some((number, text));
            }
        }
        Ok(best.map_or(single, |(_, text)| text).to_owned())
    }

    fn plugins(&self, inlined_only: bool) -> Result<Vec<PluginConfig>, ConfigError> {
        let key = "plugins";
        let members = match self.0.get(key) {
            None if inlined_only => {
                let problem = "loadOnlyInlinedPlugins is true, but there is no key \"plugins\"";
                return Err(list(problem));
            }
            None => return Ok(Vec::new()),
            Some(Value::Array(members)) if members.is_empty() => {
                return Err(list("no plugins in list"));
            }
            Some(Value::Array(members)) => members,
            Some(_) => return Err(wrong(key, "a list of objects")),
        };
        let member = |(index, value): (usize, &Value)| {
            PluginConfig::from_value(value.clone()).map_err(|error| {
                list(format_args!(
                    "failed to parse plugin config {index}: {error}"
                ))
            })
        };
        members.iter().enumerate().map(member).collect()
    }
}

fn list(problem: impl Display) -> ConfigError {
    ConfigError::List(problem.to_string())
}

/// A key of the list with a value of the wrong type.
fn wrong(key: &str, expected: &str) -> ConfigError {
    list(format_args!("key {key:?} is not {expected}"))
}
