//! The parameters of one attachment.

use cni_types::Attachment;
use serde_json::{Map, Value};

use crate::cache::Entry;

/// One attachment of a container to a network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// The container.
    pub container_id: String,
    /// Path of the container's network namespace; DEL takes none.
    pub netns: String,
    /// The interface inside the container.
    pub ifname: String,
    /// `CNI_ARGS`, in the order in which plugins get them.
    pub args: Vec<(String, String)>,
    /// Values of capabilities. A plugin gets those that its configuration enables.
    pub capability_args: Map<String, Value>,
}

impl Parameters {
    /// Container and interface.
    pub fn attachment(&self) -> Attachment {
        Attachment {
            container_id: self.container_id.clone(),
            ifname: self.ifname.clone(),
        }
    }

    /// `CNI_ARGS` as plugins get them. The grammar has no escapes.
    pub(super) fn args_text(&self) -> String {
        let pairs: Vec<String> = self.args.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.join(";")
    }
}

impl From<&Entry> for Parameters {
    /// The parameters of the ADD that made the entry.
    fn from(entry: &Entry) -> Self {
        Self {
            container_id: entry.attachment.container_id.clone(),
            netns: entry.netns.clone(),
            ifname: entry.attachment.ifname.clone(),
            args: entry.args.clone(),
            capability_args: entry.capability_args.clone(),
        }
    }
}
