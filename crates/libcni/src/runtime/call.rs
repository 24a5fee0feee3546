//! One verb of one plugin.

use std::path::PathBuf;

use cni_types::{Command, Error, env};
use serde_json::{Map, Value};

use super::{Parameters, Runtime, RuntimeError};
use crate::config::{NetworkList, PluginConfig};
use crate::exec::{Invocation, Output, find_plugin};

/// The verb, network and attachment of a call.
#[derive(Clone, Copy)]
pub(super) struct Call<'c> {
    pub(super) verb: Command,
    pub(super) network: &'c NetworkList,
    pub(super) parameters: &'c Parameters,
}

impl Call<'_> {
    /// The error of `plugin` in this call.
    pub(super) fn failed(&self, plugin: &PluginConfig, error: impl Into<Error>) -> RuntimeError {
        RuntimeError::Plugin {
            verb: self.verb,
            kind: plugin.kind().to_owned(),
            name: plugin.name().to_owned(),
            error: error.into(),
        }
    }

    /// The configuration for `plugin`, with the runtime's keys and `more`.
    fn request(&self, plugin: &PluginConfig, more: Vec<(&'static str, Value)>) -> Vec<u8> {
        let mut injected = vec![
            ("name", self.network.name().into()),
            ("cniVersion", self.network.version().into()),
        ];
        let supplied = &self.parameters.capability_args;
        let runtime_config: Map<String, Value> = plugin
            .capabilities()
            .into_iter()
            .filter_map(|capability| supplied.get_key_value(capability))
            .map(|(capability, value)| (capability.clone(), value.clone()))
            .collect();
        if !runtime_config.is_empty() {
            injected.push(("runtimeConfig", runtime_config.into()));
        }
        injected.extend(more);
        plugin.request(injected)
    }
}

impl Runtime {
    /// Finds and runs `plugin`.
    pub(super) fn call(
        &self,
        call: &Call<'_>,
        plugin: &PluginConfig,
        more: Vec<(&'static str, Value)>,
    ) -> Result<Output, RuntimeError> {
        let found = find_plugin(plugin.kind(), &self.path);
        let executable = found.map_err(|error| call.failed(plugin, error))?;
        self.call_found(call, plugin, executable, more)
    }

    /// Runs the executable of `plugin`.
    pub(super) fn call_found(
        &self,
        call: &Call<'_>,
        plugin: &PluginConfig,
        executable: PathBuf,
        more: Vec<(&'static str, Value)>,
    ) -> Result<Output, RuntimeError> {
        Invocation::new(executable)
            .env(env::COMMAND, call.verb.as_str())
            .env(env::CONTAINER_ID, &call.parameters.container_id)
            .env(env::NETNS, &call.parameters.netns)
            .env(env::ARGS, call.parameters.args_text())
            .env(env::IFNAME, &call.parameters.ifname)
            .env(env::PATH, &self.path)
            .stdin(call.request(plugin, more))
            .time_limit(self.limit)
            .run()
            .map_err(|error| call.failed(plugin, error))
    }
}

/// The key `prevResult`, if there is a result.
pub(super) fn prev_result(result: Option<Value>) -> Vec<(&'static str, Value)> {
    result
        .map(|value| ("prevResult", value))
        .into_iter()
        .collect()
}
