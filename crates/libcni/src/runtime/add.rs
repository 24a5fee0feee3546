//! ADD, and the undo of a failed one.

use cni_types::{
    Command, SpecVersion, check_container_id, check_interface_name, check_network_name,
};

use super::call::{Call, prev_result};
use super::{AddResult, Parameters, Runtime, RuntimeError};
use crate::cache::Entry;
use crate::config::NetworkList;
use crate::exec::find_plugin;

/// A failed ADD.
///
/// The effects of the plugins that ran remain until [`Runtime::undo_add`] or DEL removes them.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct FailedAdd {
    /// The failure.
    #[source]
    pub error: Box<RuntimeError>,
    /// How many plugins, from the first, were started.
    pub started: usize,
    /// The result of the last plugin that succeeded.
    pub result: Option<Box<AddResult>>,
}

impl Runtime {
    /// Attaches a container to a network: runs every plugin in order, each with the result of the
    /// previous one. Caches the last result.
    pub fn add(
        &self,
        network: &NetworkList,
        parameters: &Parameters,
    ) -> Result<AddResult, FailedAdd> {
        let mut progress = Progress::default();
        let added = self.run_plugins(network, parameters, &mut progress);
        let stored = added.and_then(|result| {
            self.store(network, parameters, &result)?;
            Ok(result)
        });
        stored.map_err(|error| FailedAdd {
            error: Box::new(error),
            started: progress.started,
            result: progress.result.map(Box::new),
        })
    }

    /// Runs DEL for the plugins that a failed ADD has started, the last first.
    ///
    /// Continues after an error and reports all of them.
    pub fn undo_add(
        &self,
        network: &NetworkList,
        parameters: &Parameters,
        failed: &FailedAdd,
    ) -> Result<(), RuntimeError> {
        let call = Call {
            verb: Command::Del,
            network,
            parameters,
        };
        let result = match &failed.result {
            Some(result) if network.is_since(SpecVersion::V0_4_0)? => result.to_value().ok(),
            _ => None,
        };
        let started = network.plugins().iter().take(failed.started).rev();
        let errors = started
            .filter_map(|plugin| self.call(&call, plugin, prev_result(result.clone())).err())
            .collect();
        RuntimeError::join(errors)
    }

    fn run_plugins(
        &self,
        network: &NetworkList,
        parameters: &Parameters,
        progress: &mut Progress,
    ) -> Result<AddResult, RuntimeError> {
        let call = Call {
            verb: Command::Add,
            network,
            parameters,
        };
        for plugin in network.plugins() {
            let failed = |error: cni_types::Error| call.failed(plugin, error);
            let executable = find_plugin(plugin.kind(), &self.path)
                .map_err(|error| call.failed(plugin, error))?;
            check_container_id(&parameters.container_id).map_err(failed)?;
            check_network_name(network.name()).map_err(failed)?;
            check_interface_name(&parameters.ifname).map_err(failed)?;
            let previous = progress
                .result
                .as_ref()
                .map(AddResult::to_value)
                .transpose();
            let previous = previous.map_err(|error| failed(error.into()))?;
            progress.started += 1;
            let output = self.call_found(&call, plugin, executable, prev_result(previous))?;
            let result = AddResult::read(&output, network.version());
            progress.result = Some(result.map_err(|error| failed(error.into()))?);
        }
        progress.result.clone().ok_or(RuntimeError::NoPlugins)
    }

    fn store(
        &self,
        network: &NetworkList,
        parameters: &Parameters,
        result: &AddResult,
    ) -> Result<(), RuntimeError> {
        let result = result.to_value().ok();
        let entry = Entry {
            network: network.name().to_owned(),
            attachment: parameters.attachment(),
            config: network.bytes().to_vec(),
            netns: parameters.netns.clone(),
            args: parameters.args.clone(),
            capability_args: parameters.capability_args.clone(),
            result: result.and_then(|value| serde_json::from_value(value).ok()),
        };
        self.cache
            .store(&entry)
            .map_err(|error| RuntimeError::Store {
                network: network.name().to_owned(),
                error,
            })
    }
}

/// The progress of an ADD.
#[derive(Default)]
struct Progress {
    started: usize,
    result: Option<AddResult>,
}
