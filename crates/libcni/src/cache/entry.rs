//! The content of a cache file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cni_types::Attachment;
use cni_types::json::{JsonValue, to_compact};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Marks an entry; a file without it is only a result.
const KIND: &str = "cniCacheV1";

/// The parameters and result of an ADD.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The network's name.
    pub network: String,
    /// The container and the interface in it.
    pub attachment: Attachment,
    /// The configuration as it was read, without plugins from files beside the list.
    pub config: Vec<u8>,
    /// The container's namespace; may be empty.
    pub netns: String,
    /// `CNI_ARGS`.
    pub args: Vec<(String, String)>,
    /// Values of capabilities.
    pub capability_args: Map<String, Value>,
    /// The final result, with its `cniVersion`.
    pub result: Option<JsonValue>,
}

/// A cache file in either format.
#[derive(Clone, Debug, PartialEq)]
pub enum Cached {
    /// The current format.
    Entry(Box<Entry>),
    /// The older format: only a result.
    BareResult(JsonValue),
}

/// The file, with its keys in the order in which the Go library writes them.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Stored {
    kind: String,
    container_id: String,
    config: String,
    if_name: String,
    network_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    netns: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cni_args: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    capability_args: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<JsonValue>,
}

impl Entry {
    pub(super) fn to_json(&self) -> String {
        to_compact(&Stored {
            kind: KIND.to_owned(),
            container_id: self.attachment.container_id.clone(),
            config: STANDARD.encode(&self.config),
            if_name: self.attachment.ifname.clone(),
            network_name: self.network.clone(),
            netns: self.netns.clone(),
            cni_args: self.args.clone(),
            capability_args: self.capability_args.clone(),
            result: self.result.clone(),
        })
    }
}

impl Cached {
    /// Reads a file of either kind.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let json = JsonValue::read(bytes).map_err(|error| error.to_string())?;
        let stored: Stored = match json.decode() {
            Ok(stored) => stored,
            Err(_) if json.text_field("kind") != Some(KIND) => return Ok(Self::BareResult(json)),
            Err(error) => return Err(error.to_string()),
        };
        if stored.kind != KIND {
            return Ok(Self::BareResult(json));
        }
        let config = STANDARD
            .decode(&stored.config)
            .map_err(|error| format!("key \"config\": {error}"))?;
        Ok(Self::Entry(Box::new(Entry {
            network: stored.network_name,
            attachment: Attachment {
                container_id: stored.container_id,
                ifname: stored.if_name,
            },
            config,
            netns: stored.netns,
            args: stored.cni_args,
            capability_args: stored.capability_args,
            result: stored.result,
        })))
    }

    /// The result, if one is stored.
    pub fn result(&self) -> Option<&JsonValue> {
        match self {
            Self::Entry(entry) => entry.result.as_ref(),
            Self::BareResult(json) => Some(json),
        }
    }
}
