//! CHECK, DEL and STATUS.

use cni_types::{Command, SpecVersion};

use super::call::{Call, prev_result};
use super::subject::Subject;
use super::{Answer, Parameters, Runtime, RuntimeError};
use crate::config::{NetworkList, PluginConfig};

impl Runtime {
    /// Reports whether an attachment is as ADD left it. Stops at the first plugin that objects.
    ///
    /// The configuration must be of 0.4.0 or newer; one that disables CHECK is always well.
    pub fn check(
        &self,
        network: &NetworkList,
        parameters: &Parameters,
    ) -> Result<(), RuntimeError> {
        self.check_on(network.into(), parameters, network.disable_check())
    }

    /// As [`Self::check`], for a plugin configured on its own.
    pub fn check_plugin(
        &self,
        plugin: &PluginConfig,
        parameters: &Parameters,
    ) -> Result<(), RuntimeError> {
        self.check_on(plugin.into(), parameters, false)
    }

    /// Takes an attachment away: every plugin, the last first, each given the final result of ADD
    /// if that is remembered and the configuration is of 0.4.0 or newer.
    ///
    /// Stops at the first error, as the specification wants it. The remembered result stays then,
    /// and so a second DEL has it too.
    pub fn del(&self, network: &NetworkList, parameters: &Parameters) -> Result<(), RuntimeError> {
        self.del_from(network.into(), parameters)
    }

    /// As [`Self::del`], for a plugin configured on its own.
    pub fn del_plugin(
        &self,
        plugin: &PluginConfig,
        parameters: &Parameters,
    ) -> Result<(), RuntimeError> {
        self.del_from(plugin.into(), parameters)
    }

    /// Reports whether an ADD would work now. Configurations older than 1.1.0 cannot be asked and
    /// count as ready.
    pub fn status(&self, network: &NetworkList) -> Result<(), RuntimeError> {
        let subject = Subject::from(network);
        if !subject.is_since(SpecVersion::V1_1_0)? {
            return Ok(());
        }
        let call = Call {
            verb: Command::Status,
            subject,
            parameters: &Parameters::default(),
        };
        for plugin in subject.plugins {
            self.call(&call, plugin, Vec::new())?;
        }
        Ok(())
    }

    /// The final result of the ADD that made an attachment, in the version of the network; nothing
    /// if none is remembered.
    pub fn cached_result(
        &self,
        network: &NetworkList,
        parameters: &Parameters,
    ) -> Result<Option<Answer>, RuntimeError> {
        self.remembered(network.into(), parameters)
    }

    /// As [`Self::cached_result`], for a plugin configured on its own.
    pub fn cached_plugin_result(
        &self,
        plugin: &PluginConfig,
        parameters: &Parameters,
    ) -> Result<Option<Answer>, RuntimeError> {
        self.remembered(plugin.into(), parameters)
    }

    fn check_on(
        &self,
        subject: Subject<'_>,
        parameters: &Parameters,
        disabled: bool,
    ) -> Result<(), RuntimeError> {
        if !subject.is_since(SpecVersion::V0_4_0)? {
            return Err(RuntimeError::NoCheck {
                version: subject.version.to_owned(),
            });
        }
        if disabled {
            return Ok(());
        }
        let call = Call {
            verb: Command::Check,
            subject,
            parameters,
        };
        let result = self.remembered(subject, parameters)?;
        let result = result.and_then(|answer| answer.to_value().ok());
        for plugin in subject.plugins {
            self.call(&call, plugin, prev_result(result.clone()))?;
        }
        Ok(())
    }

    pub(super) fn del_from(
        &self,
        subject: Subject<'_>,
        parameters: &Parameters,
    ) -> Result<(), RuntimeError> {
        let call = Call {
            verb: Command::Del,
            subject,
            parameters,
        };
        let mut result = None;
        if subject.is_since(SpecVersion::V0_4_0)? {
            // DEL has to work without, and an unusable file is of no use to anybody.
            match self.remembered(subject, parameters) {
                Ok(answer) => result = answer.and_then(|answer| answer.to_value().ok()),
                Err(_) => self.forget(subject, parameters),
            }
        }
        for plugin in subject.plugins.iter().rev() {
            self.call(&call, plugin, prev_result(result.clone()))?;
        }
        self.forget(subject, parameters);
        Ok(())
    }

    fn remembered(
        &self,
        subject: Subject<'_>,
        parameters: &Parameters,
    ) -> Result<Option<Answer>, RuntimeError> {
        let network = || subject.name.to_owned();
        let cached = self
            .cache
            .load(subject.name, &parameters.attachment())
            .map_err(|error| RuntimeError::CachedResult {
                network: network(),
                error,
            })?;
        let Some(node) = cached.as_ref().and_then(|cached| cached.result()) else {
            return Ok(None);
        };
        let answer = Answer::from_cache(node, subject.version);
        answer.map(Some).map_err(|error| RuntimeError::Convert {
            network: network(),
            version: subject.version.to_owned(),
            error,
        })
    }

    /// A file that stays does no harm: the next ADD replaces it, and DEL works with it again.
    fn forget(&self, subject: Subject<'_>, parameters: &Parameters) {
        let _ = self.cache.remove(subject.name, &parameters.attachment());
    }
}
