//! The valid attachments that a runtime lists for GC.

use serde::Deserialize;

use crate::json::JsonValue;
use crate::{Code, Error};

/// The key under which the runtime lists valid attachments (spec 1.1.0, section GC).
pub const VALID_ATTACHMENTS: &str = "cni.dev/valid-attachments";
/// The name of that key in the specification's text of April to July 2024; libcni sends both.
pub const VALID_ATTACHMENTS_2024: &str = "cni.dev/attachments";

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
    /// Reads the list from a configuration; `None` if the key is absent.
    ///
    /// An empty or null list means that no attachment is valid. An absent key does not: GC would
    /// detach every running container, and Go's `cnitool gc` sends no key.
    pub fn from_config(config: &JsonValue) -> Result<Option<Self>, Error> {
        let keys = [VALID_ATTACHMENTS, VALID_ATTACHMENTS_2024];
        let found = keys
            .into_iter()
            .find_map(|key| Some((key, config.field(key)?)));
        let Some((key, list)) = found else {
            return Ok(None);
        };
        let attachments = list
            .decode::<Vec<Attachment>>()
            .map_err(|error| Error::new(Code::Decode, format!("key {key:?}: {error}")))?;
        Ok(Some(attachments.into_iter().collect()))
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

    fn read(text: &str) -> Result<Option<Attachments>, Error> {
        Attachments::from_config(&JsonValue::read(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_missing_list_is_none_and_never_all() {
        for text in ["{}", "null", r#"{"valid-attachments": []}"#] {
            assert_eq!(read(text), Ok(None), "{text}");
        }
        for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
            for list in ["null", "[]"] {
                let text = format!(r#"{{"{key}": {list}}}"#);
                assert_eq!(read(&text), Ok(Some(Attachments::default())), "{text}");
            }
            for list in [r#""x""#, "[null]", "{}", r#"[{"containerID": "a"}]"#] {
                let text = format!(r#"{{"{key}": {list}}}"#);
                let error = read(&text).unwrap_err();
                assert_eq!(error.code, 6, "{text}");
                assert!(error.msg.contains(key), "{error}");
            }
        }
    }

    #[test]
    fn membership_is_by_pair_and_by_container() {
        let set = read(
            r#"{"cni.dev/valid-attachments": [
                {"containerID": "b", "ifname": "eth0"}, {"containerid": "a", "IfName": "net1"}]}"#,
        )
        .unwrap()
        .unwrap();
        assert!(set.contains("a", "net1") && set.contains("b", "eth0"));
        assert!(!set.contains("a", "eth0") && !set.contains("c", "eth0"));
        assert!(set.contains_container("a") && !set.contains_container("ab"));
    }
}
