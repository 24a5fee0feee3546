//! GC: taking away what belongs to no valid attachment.

use cni_types::{Attachment, Command, SpecVersion, VALID_ATTACHMENTS, VALID_ATTACHMENTS_2024};
use serde_json::{Value, json};

use super::call::Call;
use super::subject::Subject;
use super::{Parameters, Runtime, RuntimeError};
use crate::config::NetworkList;

impl Runtime {
    /// Takes away every attachment of the network that is not in `valid`: first, by DEL, those that
    /// are remembered; then each plugin is asked to look for more (since 1.1.0).
    ///
    /// An empty list means that none is valid. Errors do not stop it; all of them are reported. A
    /// configuration that disables GC is left alone altogether.
    pub fn gc(&self, network: &NetworkList, valid: &[Attachment]) -> Result<(), RuntimeError> {
        if network.disable_gc() {
            return Ok(());
        }
        let subject = Subject::from(network);
        let mut errors = Vec::new();
        for entry in self.cache.attachments(None)? {
            if entry.network != subject.name || valid.contains(&entry.attachment) {
                continue;
            }
            if let Err(error) = self.del_from(subject, &Parameters::from(&entry)) {
                errors.push(RuntimeError::Stale {
                    attachment: entry.attachment,
                    error: Box::new(error),
                });
            }
        }
        if subject.is_since(SpecVersion::V1_1_0)? {
            errors.extend(self.gc_plugins(subject, valid));
        }
        RuntimeError::join(errors)
    }

    fn gc_plugins(&self, subject: Subject<'_>, valid: &[Attachment]) -> Vec<RuntimeError> {
        let call = Call {
            verb: Command::Gc,
            subject,
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
        subject.plugins.iter().filter_map(ask).collect()
    }
}
