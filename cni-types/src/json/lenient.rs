//! Reading what can be read of a half broken document.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use super::JsonValue;
use super::decode::{DecodeError, decode_with_path, folds_to, position};

/// More wrong values than this in one document, and reading gives up.
const MAX_REPAIRS: usize = 64;

/// Decodes `node`, replacing each value that does not fit by `null` and trying again.
///
/// Only the offending value goes, never its parent: a wrong `ipam.ranges` must not lose the
/// `ipam.dataDir` beside it.
pub(super) fn decode<T: DeserializeOwned>(
    node: &JsonValue,
) -> (Result<T, DecodeError>, Vec<DecodeError>) {
    let mut node = Cow::Borrowed(node);
    let mut dropped = Vec::new();
    loop {
        match decode_with_path(&node) {
            Ok(value) => return (Ok(value), dropped),
            Err((path, error)) => {
                if dropped.len() == MAX_REPAIRS || !remove(node.to_mut(), &path) {
                    return (Err(error), dropped);
                }
                dropped.push(error);
            }
        }
    }
}

/// Takes the value at `path` out of its object, or its element out of its list.
fn remove(node: &mut JsonValue, path: &Path) -> bool {
    let segments: Vec<&Segment> = path.iter().collect();
    let Some((last, parents)) = segments.split_last() else {
        return false;
    };
    let mut parent = node;
    for segment in parents {
        match child(parent, segment) {
            Some(next) => parent = next,
            None => return false,
        }
    }
    match (parent, last) {
        (JsonValue::Object(entries), Segment::Map { key }) => {
            let before = entries.len();
            entries.retain(|(name, _)| !folds_to(name, key));
            entries.len() < before
        }
        (JsonValue::List(values), Segment::Seq { index }) if *index < values.len() => {
            values.remove(*index);
            true
        }
        _ => false,
    }
}

fn child<'n>(node: &'n mut JsonValue, segment: &Segment) -> Option<&'n mut JsonValue> {
    match (node, segment) {
        (JsonValue::Object(entries), Segment::Map { key }) => {
            let at = position(entries, key)?;
            entries.get_mut(at).map(|(_, value)| value)
        }
        (JsonValue::List(values), Segment::Seq { index }) => values.get_mut(*index),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::Cidr;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Ipam {
        subnet: Option<Cidr>,
        #[serde(rename = "dataDir")]
        data_dir: String,
        list: Vec<u8>,
    }

    #[test]
    fn only_the_broken_values_go() {
        let node = JsonValue::read(
            br#"{"SUBNET": "10.0.0/8", "dataDir": "/x", "list": [1, "2", 300, 4]}"#,
        );
        let (ipam, dropped) = decode::<Ipam>(&node.unwrap());
        assert_eq!(
            ipam.unwrap(),
            Ipam {
                subnet: None,
                data_dir: "/x".into(),
                list: vec![1, 4]
            }
        );
        let paths: Vec<&str> = dropped.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(paths, ["subnet", "list[1]", "list[1]"]);
    }

    #[test]
    fn a_document_of_the_wrong_type_stays_an_error() {
        assert!(decode::<Ipam>(&JsonValue::List(vec![])).0.is_err());
    }

    #[test]
    fn endless_mistakes_end() {
        let node =
            JsonValue::read(format!("{{\"list\": [{}0]}}", "\"x\",".repeat(1000)).as_bytes());
        let (ipam, dropped) = decode::<Ipam>(&node.unwrap());
        assert!(ipam.is_err());
        assert_eq!(dropped.len(), MAX_REPAIRS);
    }
}
