//! Decodes a document and drops values of the wrong type.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use super::JsonValue;
use super::decode::{DecodeError, decode_with_path, eq_ignore_case, position};

/// The most values dropped from one document; more are an error.
const MAX_DROPPED: usize = 64;

/// Decodes `json`; removes each value of the wrong type and tries again.
///
/// Removes only the wrong value, never its parent: an invalid `ipam.ranges` must not lose
/// `ipam.dataDir`.
pub(super) fn decode<T: DeserializeOwned>(
    json: &JsonValue,
) -> (Result<T, DecodeError>, Vec<DecodeError>) {
    let mut json = Cow::Borrowed(json);
    let mut dropped = Vec::new();
    loop {
        match decode_with_path(&json) {
            Ok(value) => return (Ok(value), dropped),
            Err((path, error)) => {
                if dropped.len() == MAX_DROPPED || !remove(json.to_mut(), &path) {
                    return (Err(error), dropped);
                }
                dropped.push(error);
            }
        }
    }
}

/// Removes the value at `path` from its object or list.
fn remove(json: &mut JsonValue, path: &Path) -> bool {
    let segments: Vec<&Segment> = path.iter().collect();
    let Some((last, parents)) = segments.split_last() else {
        return false;
    };
    let mut parent = json;
    for segment in parents {
        match child(parent, segment) {
            Some(next) => parent = next,
            None => return false,
        }
    }
    match (parent, last) {
        (JsonValue::Object(entries), Segment::Map { key }) => {
            let before = entries.len();
            entries.retain(|(name, _)| !eq_ignore_case(name, key));
            entries.len() < before
        }
        (JsonValue::List(values), Segment::Seq { index }) if *index < values.len() => {
            values.remove(*index);
            true
        }
        _ => false,
    }
}

fn child<'n>(json: &'n mut JsonValue, segment: &Segment) -> Option<&'n mut JsonValue> {
    match (json, segment) {
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
        let json = JsonValue::read(
            br#"{"SUBNET": "10.0.0/8", "dataDir": "/x", "list": [1, "2", 300, 4]}"#,
        );
        let (ipam, dropped) = decode::<Ipam>(&json.unwrap());
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
        let json =
            JsonValue::read(format!("{{\"list\": [{}0]}}", "\"x\",".repeat(1000)).as_bytes());
        let (ipam, dropped) = decode::<Ipam>(&json.unwrap());
        assert!(ipam.is_err());
        assert_eq!(dropped.len(), MAX_DROPPED);
    }
}
