//! ADD, and taking back one that failed.

use cni_types::{
    Command, SpecVersion, check_container_id, check_interface_name, check_network_name,
};

use super::call::{Call, prev_result};
use super::subject::Subject;
use super::{Answer, Parameters, Runtime, RuntimeError};
use crate::cache::Entry;
use crate::config::{NetworkList, PluginConfig};
use crate::exec::find_plugin;

/// An ADD that did not get through.
///
/// What plugins did before is still there: [`Runtime::undo_add`] takes it away, or a DEL later.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct FailedAdd {
    /// The failure.
    #[source]
    pub error: Box<RuntimeError>,
    /// How many plugins, from the first, were run or begun to run.
    pub started: usize,
    /// What the last plugin that succeeded answered.
    pub answer: Option<Box<Answer>>,
}

impl Runtime {
    /// Attaches a container to a network: every plugin in order, each given the result of the one
    /// before. The last result is remembered.
    pub fn add(&self, network: &NetworkList, parameters: &Parameters) -> Result<Answer, FailedAdd> {
        self.add_to(network.into(), parameters)
    }

    /// As [`Self::add`], for a plugin configured on its own.
    pub fn add_plugin(
        &self,
        plugin: &PluginConfig,
        parameters: &Parameters,
    ) -> Result<Answer, FailedAdd> {
        self.add_to(plugin.into(), parameters)
    }

    /// Runs DEL for the plugins that a failed ADD has started, the last first.
    ///
    /// Errors do not stop it; all of them are reported.
    pub fn undo_add(
        &self,
        network: &NetworkList,
        parameters: &Parameters,
        failed: &FailedAdd,
    ) -> Result<(), RuntimeError> {
        let subject = Subject::from(network);
        let call = Call {
            verb: Command::Del,
            subject,
            parameters,
        };
        let result = match &failed.answer {
            Some(answer) if subject.is_since(SpecVersion::V0_4_0)? => answer.to_value().ok(),
            _ => None,
        };
        let started = subject.plugins.iter().take(failed.started).rev();
        let errors = started
            .filter_map(|plugin| self.call(&call, plugin, prev_result(result.clone())).err())
            .collect();
        RuntimeError::join(errors)
    }

    fn add_to(&self, subject: Subject<'_>, parameters: &Parameters) -> Result<Answer, FailedAdd> {
        let mut progress = Progress::default();
        let added = self.run_plugins(subject, parameters, &mut progress);
        let remembered = added.and_then(|answer| {
            self.remember(subject, parameters, &answer)?;
            Ok(answer)
        });
        remembered.map_err(|error| FailedAdd {
            error: Box::new(error),
            started: progress.started,
            answer: progress.answer.map(Box::new),
        })
    }

    fn run_plugins(
        &self,
        subject: Subject<'_>,
        parameters: &Parameters,
        progress: &mut Progress,
    ) -> Result<Answer, RuntimeError> {
        let call = Call {
            verb: Command::Add,
            subject,
            parameters,
        };
        for plugin in subject.plugins {
            let failed = |error: cni_types::Error| call.failed(plugin, error);
            let executable = find_plugin(plugin.kind(), &self.path)
                .map_err(|error| call.failed(plugin, error))?;
            check_container_id(&parameters.container_id).map_err(failed)?;
            check_network_name(subject.name).map_err(failed)?;
            check_interface_name(&parameters.ifname).map_err(failed)?;
            let previous = progress.answer.as_ref().map(Answer::to_value).transpose();
            let previous = previous.map_err(|error| failed(error.into()))?;
            progress.started += 1;
            let output = self.call_found(&call, plugin, executable, prev_result(previous))?;
            let answer = Answer::read(&output, subject.version);
            progress.answer = Some(answer.map_err(|error| failed(error.into()))?);
        }
        progress.answer.clone().ok_or(RuntimeError::NoPlugins)
    }

    fn remember(
        &self,
        subject: Subject<'_>,
        parameters: &Parameters,
        answer: &Answer,
    ) -> Result<(), RuntimeError> {
        let result = answer.to_value().ok();
        let entry = Entry {
            network: subject.name.to_owned(),
            attachment: parameters.attachment(),
            config: subject.bytes.to_vec(),
            netns: parameters.netns.clone(),
            args: parameters.args.clone(),
            capability_args: parameters.capability_args.clone(),
            result: result.and_then(|value| serde_json::from_value(value).ok()),
        };
        self.cache
            .store(&entry)
            .map_err(|error| RuntimeError::Remember {
                network: subject.name.to_owned(),
                error,
            })
    }
}

/// How far an ADD has come.
#[derive(Default)]
struct Progress {
    started: usize,
    answer: Option<Answer>,
}
