//! The versions that plugins support, and the validation of a network.

use std::collections::BTreeSet;

use cni_types::json::JsonValue;
use cni_types::{Code, Command, Error, SpecVersion, env};
use serde::Deserialize;

use super::{Runtime, RuntimeError};
use crate::config::{NetworkList, PluginConfig};
use crate::exec::{ExecError, Invocation, Output, find_plugin};

/// A plugin's reply to VERSION.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Reply {
    #[serde(rename = "cniVersion")]
    cni_version: String,
    #[serde(rename = "supportedVersions")]
    supported: Vec<String>,
}

impl Runtime {
    /// The versions that the plugin `kind` says it supports, as it lists them.
    pub fn versions(&self, kind: &str) -> Result<Vec<String>, RuntimeError> {
        let failed = |error: Error| RuntimeError::Plugin {
            verb: Command::Version,
            kind: kind.to_owned(),
            name: String::new(),
            error,
        };
        let executable = find_plugin(kind, &self.path).map_err(|error| failed(error.into()))?;
        let stdin = format!("{{\"cniVersion\":\"{}\"}}", SpecVersion::LATEST);
        // Plugins of the first version require variables that have no meaning here.
        let result = Invocation::new(executable)
            .env(env::COMMAND, Command::Version.as_str())
            .env(env::CONTAINER_ID, "")
            .env(env::NETNS, "dummy")
            .env(env::ARGS, "")
            .env(env::IFNAME, "dummy")
            .env(env::PATH, "dummy")
            .stdin(stdin.into_bytes())
            .time_limit(self.limit)
            .run();
        match result {
            Ok(output) => read_reply(&output).map_err(failed),
            Err(ExecError::Plugin(error)) if error.msg == "unknown CNI_COMMAND: VERSION" => {
                Ok(vec![SpecVersion::V0_1_0.to_string()])
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Checks that every plugin of the network is installed and supports its version; reports all
    /// errors. Returns the capabilities that the plugins enable.
    pub fn validate(&self, network: &NetworkList) -> Result<BTreeSet<String>, RuntimeError> {
        let version = match network.version() {
            "" => SpecVersion::V0_1_0.as_str(),
            version => version,
        };
        let complaint = |plugin: &PluginConfig| match self.versions(plugin.kind()) {
            Ok(supported) if supported.iter().any(|own| own == version) => None,
            Ok(_) => Some(RuntimeError::Unsupported {
                kind: plugin.kind().to_owned(),
                version: version.to_owned(),
            }),
            Err(error) => Some(error),
        };
        RuntimeError::join(network.plugins().iter().filter_map(complaint).collect())?;
        let enabled = network
            .plugins()
            .iter()
            .flat_map(PluginConfig::capabilities);
        Ok(enabled.map(ToOwned::to_owned).collect())
    }
}

fn read_reply(output: &Output) -> Result<Vec<String>, Error> {
    let wrong = |what: &dyn std::fmt::Display| {
        Error::new(Code::Decode, format!("decoding version info: {what}"))
    };
    let json = JsonValue::read(&output.stdout).map_err(|error| wrong(&error))?;
    let reply: Reply = json.decode().map_err(|error| wrong(&error))?;
    match (reply.cni_version.as_str(), reply.supported.is_empty()) {
        ("", _) => Err(wrong(&"missing field cniVersion")),
        (_, false) => Ok(reply.supported),
        // Plugins of that version did not yet list any.
        ("0.2.0", true) => Ok(vec!["0.1.0".to_owned(), "0.2.0".to_owned()]),
        (_, true) => Err(wrong(&"missing field supportedVersions")),
    }
}
