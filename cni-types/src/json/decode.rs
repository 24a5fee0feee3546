//! Decodes a [`JsonValue`] into a type by Go's rules.

use std::fmt;

use serde::Deserializer;
use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer, Visitor};
use serde_path_to_error::Path;

use super::JsonValue;

/// A value of the wrong type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Where: `ipam.ranges[0][1].subnet`; empty for the whole document.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "key {:?}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

pub(super) fn decode<T: DeserializeOwned>(json: &JsonValue) -> Result<T, DecodeError> {
    decode_with_path(json).map_err(|(_, error)| error)
}

pub(super) fn decode_with_path<T: DeserializeOwned>(
    json: &JsonValue,
) -> Result<T, (Path, DecodeError)> {
    serde_path_to_error::deserialize(Go(json)).map_err(|error| {
        let path = error.path().clone();
        let shown = match path.to_string() {
            root if root == "." => String::new(),
            path => path,
        };
        (
            path,
            DecodeError {
                path: shown,
                message: error.into_inner().to_string(),
            },
        )
    })
}

/// Whether Go decodes the key `key` into the field `name`: equal, or equal after case folding.
pub(super) fn eq_ignore_case(key: &str, name: &str) -> bool {
    key == name || key.chars().map(fold).eq(name.chars().map(fold))
}

/// The position of the field `name`: the last entry with exactly this key, else the last one with
/// another spelling.
///
/// Go takes the last one of all spellings. Here an exact key wins, since a marshalled Go struct may
/// have two keys that differ only in case, `address` and `Address`.
pub(super) fn position(entries: &[(String, JsonValue)], name: &str) -> Option<usize> {
    let exact = entries.iter().rposition(|(key, _)| key == name);
    exact.or_else(|| {
        entries
            .iter()
            .rposition(|(key, _)| eq_ignore_case(key, name))
    })
}

/// Unicode simple folding as far as it can meet an ASCII field name.
fn fold(c: char) -> char {
    match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

type Error = serde::de::value::Error;

/// Decodes a value by Go's rules.
#[derive(Clone, Copy)]
struct Go<'n>(&'n JsonValue);

impl<'n> Go<'n> {
    /// The entries of an object by field name; of each field the entry at its [`position`].
    fn fields(
        entries: &'n [(String, JsonValue)],
        names: &'static [&'static str],
    ) -> Vec<(&'n str, Self)> {
        let mut fields: Vec<(&'n str, Self)> = Vec::with_capacity(entries.len());
        let is_exact = |entry: &&(String, JsonValue)| names.contains(&entry.0.as_str());
        let others = entries.iter().filter(|entry| !is_exact(entry));
        for (key, value) in others.chain(entries.iter().filter(is_exact)) {
            let name = names
                .iter()
                .find(|name| *name == key)
                .or_else(|| names.iter().find(|name| eq_ignore_case(key, name)));
            let name = name.copied().unwrap_or(key);
            match fields.iter_mut().find(|(known, _)| *known == name) {
                Some((_, slot)) => *slot = Go(value),
                None => fields.push((name, Go(value))),
            }
        }
        fields
    }
}

/// Integers: `null` is zero, everything else as it stands.
macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0 {
                JsonValue::Null => visitor.visit_u64(0),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'n> Deserializer<'n> for Go<'n> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            JsonValue::Null => visitor.visit_unit(),
            JsonValue::Bool(value) => visitor.visit_bool(*value),
            JsonValue::Number(number) => {
                match (number.as_u64(), number.as_i64(), number.as_f64()) {
                    (Some(value), _, _) => visitor.visit_u64(value),
                    (_, Some(value), _) => visitor.visit_i64(value),
                    (_, _, value) => visitor.visit_f64(value.unwrap_or_default()),
                }
            }
            JsonValue::Text(value) => visitor.visit_borrowed_str(value),
            JsonValue::List(values) => {
                visitor.visit_seq(SeqDeserializer::new(values.iter().map(Go)))
            }
            JsonValue::Object(entries) => visitor.visit_map(MapDeserializer::new(
                entries.iter().map(|(key, value)| (key.as_str(), Go(value))),
            )),
        }
    }

    fn deserialize_bool<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            JsonValue::Null => visitor.visit_bool(false),
            _ => self.deserialize_any(visitor),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_str<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            JsonValue::Null => visitor.visit_borrowed_str(""),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            JsonValue::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            JsonValue::Null => visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<Self>())),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            JsonValue::Null => {
                visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, Self)>()))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            JsonValue::Object(entries) => visitor.visit_map(MapDeserializer::new(
                Self::fields(entries, names).into_iter(),
            )),
            // A derived reader would take a list for the fields in order; Go does not.
            JsonValue::List(_) => Err(serde::de::Error::invalid_type(
                serde::de::Unexpected::Seq,
                &visitor,
            )),
            _ => self.deserialize_map(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'n>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            JsonValue::Text(text) => {
                StrDeserializer::new(text.as_str()).deserialize_enum(name, variants, visitor)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <W: Visitor<'n>>
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

impl<'n> IntoDeserializer<'n, Error> for Go<'n> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Sample {
        #[serde(rename = "hostPort")]
        host_port: u16,
        flag: bool,
        text: String,
        list: Vec<i32>,
        map: BTreeMap<String, bool>,
        maybe: Option<u8>,
        inner: Option<Box<Sample>>,
    }

    fn read(json: &str) -> Result<Sample, DecodeError> {
        JsonValue::read(json.as_bytes()).unwrap().decode()
    }

    #[test]
    fn keys_match_in_any_case_and_the_exact_one_goes_first() {
        for (json, host_port) in [
            (
                r#"{"HOSTPORT": 1, "hostPort": 2, "HostPort": 3, "other": {}}"#,
                2,
            ),
            (r#"{"hostPort": 1, "hostPort": 2, "HostPort": {"a": 1}}"#, 2),
            (r#"{"HOSTPORT": [1], "hostPort": 2}"#, 2),
            (r#"{"HOSTPORT": 1, "HostPort": 3}"#, 3),
        ] {
            assert_eq!(read(json).unwrap().host_port, host_port, "{json}");
            let json = JsonValue::read(json.as_bytes()).unwrap();
            assert_eq!(
                json.field("hostPort"),
                Some(&JsonValue::Number(host_port.into()))
            );
            let (sample, dropped) = json.decode_lenient::<Sample>();
            assert_eq!(sample.unwrap().host_port, host_port);
            assert!(dropped.is_empty());
        }
        assert_eq!(read("{\"li\u{17f}t\": [1]}").unwrap().list, [1]);
        assert_eq!(
            read(r#"{"map": {"A": true, "a": false}}"#)
                .unwrap()
                .map
                .len(),
            2
        );
    }

    #[test]
    fn null_is_the_zero_value_everywhere() {
        let nulls = r#"{"hostPort":null,"flag":null,"text":null,"list":null,"map":null,"maybe":null,"inner":null}"#;
        assert_eq!(read(nulls).unwrap(), Sample::default());
        assert_eq!(read("null").unwrap(), Sample::default());
        assert_eq!(read(r#"{"list":[null,1]}"#).unwrap().list, [0, 1]);
    }

    #[test]
    fn a_wrong_type_is_an_error_that_tells_the_path() {
        for (json, path) in [
            (r#"{"hostPort": 1.0}"#, "hostPort"),
            (r#"{"hostport": 1e3}"#, "hostPort"),
            (r#"{"hostPort": -1}"#, "hostPort"),
            (r#"{"hostPort": 65536}"#, "hostPort"),
            (r#"{"hostPort": "1"}"#, "hostPort"),
            (r#"{"flag": "true"}"#, "flag"),
            (r#"{"text": 1}"#, "text"),
            (r#"{"list": [1, "2"]}"#, "list[1]"),
            (r#"{"list": {}}"#, "list"),
            (
                r#"{"inner": {"inner": {"map": {"x": 1}}}}"#,
                "inner.inner.map.x",
            ),
            (r#"{"inner": []}"#, "inner"),
            ("[]", ""),
            ("1", ""),
        ] {
            assert_eq!(read(json).unwrap_err().path, path, "{json}");
        }
    }
}
