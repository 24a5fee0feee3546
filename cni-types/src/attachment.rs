//! The attachments a runtime declares to be alive, for GC.

use serde::Deserialize;

use crate::json::Node;
use crate::{Code, Error};

/// The key under which the runtime lists valid attachments (spec 1.1.0, section GC).
const VALID: &str = "cni.dev/valid-attachments";
/// The name of that key in the specification's text of April to July 2024; libcni sends both.
const VALID_2024: &str = "cni.dev/attachments";

/// One interface of one container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Attachment {
    /// The container.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// The interface inside it.
    pub ifname: String,
}

/// The set of attachments that GC must keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachments(Vec<Attachment>);

impl Attachments {
    /// Reads the list from a configuration.
    ///
    /// An empty or null list means that none is valid. An absent key is an error (code 7): taken for
    /// an empty list it would tear down every running container.
    pub fn from_config(config: &Node) -> Result<Self, Error> {
        let list = config
            .field(VALID)
            .or_else(|| config.field(VALID_2024))
            .ok_or_else(|| {
                Error::new(Code::InvalidConfig, format!("GC needs the key {VALID:?}"))
                    .details("list the attachments to keep; an empty list means that none is valid")
            })?;
        let attachments = list
            .decode::<Vec<Attachment>>()
            .map_err(|error| Error::new(Code::Decode, format!("key {VALID:?}: {error}")))?;
        Ok(attachments.into_iter().collect())
    }

    /// Whether the pair is in the set.
    pub fn contains(&self, container_id: &str, ifname: &str) -> bool {
        let key = |a: &Attachment| {
            (a.container_id.as_str(), a.ifname.as_str()).cmp(&(container_id, ifname))
        };
        self.0.binary_search_by(key).is_ok()
    }

    /// Whether any interface of the container is in the set.
    pub fn contains_container(&self, container_id: &str) -> bool {
        let first = self
            .0
            .partition_point(|a| a.container_id.as_str() < container_id);
        self.0
            .get(first)
            .is_some_and(|a| a.container_id == container_id)
    }

    /// The attachments, ordered and each once.
    pub fn iter(&self) -> impl Iterator<Item = &Attachment> {
        self.0.iter()
    }
}

impl FromIterator<Attachment> for Attachments {
    fn from_iter<I: IntoIterator<Item = Attachment>>(attachments: I) -> Self {
        let mut sorted: Vec<_> = attachments.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self(sorted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Attachments, Error> {
        Attachments::from_config(&Node::read(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_missing_list_is_an_error_and_never_all() {
        assert_eq!(read("{}").unwrap_err().code, 7);
        assert_eq!(
            read(r#"{"cni.dev/valid-attachments": null}"#),
            Ok(Attachments::default())
        );
        assert_eq!(
            read(r#"{"cni.dev/attachments": []}"#),
            Ok(Attachments::default())
        );
        assert_eq!(
            read(r#"{"cni.dev/valid-attachments": "x"}"#)
                .unwrap_err()
                .code,
            6
        );
        assert_eq!(
            read(r#"{"cni.dev/valid-attachments": [null]}"#)
                .unwrap_err()
                .code,
            6
        );
    }

    #[test]
    fn membership_is_by_pair_and_by_container() {
        let set = read(
            r#"{"cni.dev/valid-attachments": [
                {"containerID": "b", "ifname": "eth0"}, {"containerid": "a", "IfName": "net1"}]}"#,
        )
        .unwrap();
        assert!(set.contains("a", "net1") && set.contains("b", "eth0"));
        assert!(!set.contains("a", "eth0") && !set.contains("c", "eth0"));
        assert!(set.contains_container("a") && !set.contains_container("ab"));
    }
}
