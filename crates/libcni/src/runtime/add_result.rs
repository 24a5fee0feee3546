//! The result of an ADD together with the version it is written in.

use cni_types::json::JsonValue;
use cni_types::{CniResult, ResultError, SpecVersion};
use serde_json::Value;

use crate::exec::Output;

/// The result of ADD of the last plugin of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct AddResult {
    /// The version of the result.
    pub version: SpecVersion,
    /// The result.
    pub result: CniResult,
}

impl AddResult {
    /// Reads what a plugin printed; `default` is the configuration's version, for results that
    /// name none.
    pub(super) fn read(output: &Output, default: &str) -> Result<Self, ResultError> {
        let own = JsonValue::read(&output.stdout).ok();
        let named = own.is_some_and(|n| n.text_field("cniVersion").is_some_and(|v| !v.is_empty()));
        let default = match default.parse() {
            Ok(version) => version,
            Err(_) if named => SpecVersion::LATEST,
            Err(_) => return Err(ResultError::UnknownVersion(default.to_owned())),
        };
        let (version, result) = CniResult::read(&output.stdout, default)?;
        Ok(Self { version, result })
    }

    /// Reads a cached result in its own version and converts it to `version`.
    pub(super) fn from_cache(json: &JsonValue, version: &str) -> Result<Self, ResultError> {
        let parse = |text: &str| {
            let unknown = |_| ResultError::UnknownVersion(text.to_owned());
            text.parse::<SpecVersion>().map_err(unknown)
        };
        let own = parse(json.text_field("cniVersion").unwrap_or_default())?;
        let result = Self {
            version: parse(version)?,
            result: CniResult::from_json(json, own)?,
        };
        // Not every result can be expressed in every version.
        result.to_value()?;
        Ok(result)
    }

    /// The result as plugins get it in `prevResult`.
    pub fn to_value(&self) -> Result<Value, ResultError> {
        self.result.to_value(self.version)
    }

    /// The result as a plugin prints it: indented, no newline at the end.
    pub fn to_json(&self) -> Result<String, ResultError> {
        self.result.to_json(self.version)
    }
}
