//! CHECK, DEL and STATUS.

use cni_types::{Command, SpecVersion};

use super::call::{Call, prev_result};
use super::{AddResult, Parameters, Runtime, RuntimeError};
use crate::config::{NetworkList, PluginConfig};

/// What CHECK of one plugin says.
#[derive(Debug)]
pub struct Checked<'n> {
    /// The plugin's type.
    pub plugin: &'n str,
    /// Its answer.
    pub outcome: Result<(), RuntimeError>,
}

impl Runtime {
    /// Checks that an attachment is as ADD left it. Stops at the first error.
    ///
    /// The configuration must be of 0.4.0 or newer. Succeeds if it disables CHECK.
    pub fn check(
        &self,
        network: &NetworkList,
        parameters: &Parameters,
    ) -> Result<(), RuntimeError> {
        self.check_plugins(network, parameters, |_, outcome| outcome)
    }

    /// As [`Runtime::check`], but asks every plugin: returns what each one says, in their order.
    pub fn check_each<'n>(
        &self,
        network: &'n NetworkList,
        parameters: &Parameters,
    ) -> Result<Vec<Checked<'n>>, RuntimeError> {
        let mut outcomes = Vec::new();
        self.check_plugins(network, parameters, |plugin, outcome| {
            outcomes.push(Checked {
                plugin: plugin.kind(),
                outcome,
            });
            Ok(())
        })?;
        Ok(outcomes)
    }

    /// Runs CHECK of every plugin until `tell` objects.
    fn check_plugins<'n>(
        &self,
        network: &'n NetworkList,
        parameters: &Parameters,
        mut tell: impl FnMut(&'n PluginConfig, Result<(), RuntimeError>) -> Result<(), RuntimeError>,
    ) -> Result<(), RuntimeError> {
        if !network.is_since(SpecVersion::V0_4_0)? {
            return Err(RuntimeError::NoCheck {
                version: network.version().to_owned(),
            });
        }
        if network.disable_check() {
            return Ok(());
        }
        let call = Call {
            verb: Command::Check,
            network,
            parameters,
        };
        let result = self.cached_result(network, parameters)?;
        let result = result.and_then(|result| result.to_value().ok());
        for plugin in network.plugins() {
            let outcome = self.call(&call, plugin, prev_result(result.clone()));
            tell(plugin, outcome.map(drop))?;
        }
        Ok(())
    }

    /// Removes an attachment: runs every plugin, the last first, each with the final result of ADD
    /// if that is cached and the configuration is of 0.4.0 or newer.
    ///
    /// Stops at the first error, as the specification requires. The cached result remains then for
    /// a second DEL.
    pub fn del(&self, network: &NetworkList, parameters: &Parameters) -> Result<(), RuntimeError> {
        let call = Call {
            verb: Command::Del,
            network,
            parameters,
        };
        let mut result = None;
        if network.is_since(SpecVersion::V0_4_0)? {
            // DEL works without it; an unreadable cache file is removed.
            match self.cached_result(network, parameters) {
                Ok(cached) => result = cached.and_then(|result| result.to_value().ok()),
                Err(_) => self.remove_cached(network, parameters),
            }
        }
        for plugin in network.plugins().iter().rev() {
            self.call(&call, plugin, prev_result(result.clone()))?;
        }
        self.remove_cached(network, parameters);
        Ok(())
    }

    /// Checks that an ADD would work now. Succeeds for configurations older than 1.1.0, which have no
    /// STATUS.
    pub fn status(&self, network: &NetworkList) -> Result<(), RuntimeError> {
        if !network.is_since(SpecVersion::V1_1_0)? {
            return Ok(());
        }
        let call = Call {
            verb: Command::Status,
            network,
            parameters: &Parameters::default(),
        };
        for plugin in network.plugins() {
            self.call(&call, plugin, Vec::new())?;
        }
        Ok(())
    }

    /// The final result of the ADD that made an attachment, in the version of the network; none if
    /// it is not cached.
    pub fn cached_result(
        &self,
        network: &NetworkList,
        parameters: &Parameters,
    ) -> Result<Option<AddResult>, RuntimeError> {
        let name = || network.name().to_owned();
        let cached = self
            .cache
            .load(network.name(), &parameters.attachment())
            .map_err(|error| RuntimeError::CachedResult {
                network: name(),
                error,
            })?;
        let Some(json) = cached.as_ref().and_then(|cached| cached.result()) else {
            return Ok(None);
        };
        let result = AddResult::from_cache(json, network.version());
        result.map(Some).map_err(|error| RuntimeError::Convert {
            network: name(),
            version: network.version().to_owned(),
            error,
        })
    }

    /// Ignores errors: the next ADD replaces the file, and another DEL can use it.
    fn remove_cached(&self, network: &NetworkList, parameters: &Parameters) {
        let _ = self.cache.remove(network.name(), &parameters.attachment());
    }
}
