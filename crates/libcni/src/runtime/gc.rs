//! GC: removes what belongs to no valid attachment.

use cni_types::{Attachment, Command, SpecVersion, VALID_ATTACHMENTS, VALID_ATTACHMENTS_2024};
use serde_json::{Value, json};

use super::call::Call;
use super::{Parameters, Runtime, RuntimeError};
use crate::config::NetworkList;

impl Runtime {
    /// Removes every attachment of the network that is not in `valid`: runs DEL for the cached ones,
    /// then GC of each plugin (since 1.1.0).
    ///
    /// An empty list means that none is valid. Continues after an error and reports all of them.
    /// Does nothing if the configuration disables GC.
    pub fn gc(&self, network: &NetworkList, valid: &[Attachment]) -> Result<(), RuntimeError> {
        if network.disable_gc() {
            return Ok(());
        }
        let mut errors = Vec::new();
        for entry in self.cache.attachments(None)? {
            if entry.network != network.name() || valid.contains(&entry.attachment) {
                continue;
            }
            if let Err(error) = self.del(network, &Parameters::from(&entry)) {
                errors.push(RuntimeError::Stale {
                    attachment: entry.attachment,
                    error: Box::new(error),
                });
            }
        }
        if network.is_since(SpecVersion::V1_1_0)? {
            errors.extend(self.gc_plugins(network, valid));
        }
        RuntimeError::join(errors)
    }

    fn gc_plugins(&self, network: &NetworkList, valid: &[Attachment]) -> Vec<RuntimeError> {
        let call = Call {
            verb: Command::Gc,
            network,
            parameters: &Parameters::default(),
        };
        let list: Value = valid
            .iter()
            .map(|attachment| {
                json!({ "containerID": attachment.container_id, "ifname": attachment.ifname })
            })
            .collect();
        let keys = [VALID_ATTACHMENTS, VALID_ATTACHMENTS_2024];
        let ask = |plugin| {
            let lists = keys.map(|key| (key, list.clone())).to_vec();
            self.call(&call, plugin, lists).err()
        };
        network.plugins().iter().filter_map(ask).collect()
    }
}
