//! A JSON value that keeps the order and repetition of keys.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::decode::{self, DecodeError};
use super::{lenient, text};

/// Any JSON value. Objects keep document order and repeated keys, which Go's rules need.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum JsonValue {
    /// `null`, also what an absent value decodes to.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; integers stay integers.
    Number(serde_json::Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<JsonValue>),
    /// An object.
    Object(Vec<(String, JsonValue)>),
}

impl JsonValue {
    /// Parses one document. Anything but blanks after it is an error, as is nesting beyond 128.
    pub fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&text::fix_surrogates(bytes))
    }

    /// The value that [`Self::decode`] puts into the field `name`.
    pub fn field(&self, name: &str) -> Option<&JsonValue> {
        match self {
            Self::Object(entries) => {
                let (_, value) = entries.get(decode::position(entries, name)?)?;
                Some(value)
            }
            _ => None,
        }
    }

    /// The string in the field `name`.
    pub fn text_field(&self, name: &str) -> Option<&str> {
        match self.field(name) {
            Some(Self::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Decodes into a type by Go's rules; an error tells the path of the wrong key.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        decode::decode(self)
    }

    /// Decodes what can be decoded: each value of a wrong type is dropped and reported.
    ///
    /// DEL uses this, so that an invalid key does not keep it from releasing resources.
    pub fn decode_lenient<T: DeserializeOwned>(
        &self,
    ) -> (Result<T, DecodeError>, Vec<DecodeError>) {
        lenient::decode(self)
    }
}

impl<'de> Deserialize<'de> for JsonValue {
    fn deserialize<D: Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        de.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = JsonValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<JsonValue, E> {
        Ok(JsonValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<JsonValue, E> {
        Ok(JsonValue::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<JsonValue, E> {
        Ok(JsonValue::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<JsonValue, E> {
        Ok(JsonValue::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<JsonValue, E> {
        Ok(serde_json::Number::from_f64(value).map_or(JsonValue::Null, JsonValue::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<JsonValue, E> {
        Ok(JsonValue::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<JsonValue, E> {
        Ok(JsonValue::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<JsonValue, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(JsonValue::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(JsonValue::Object(entries))
    }
}

impl Serialize for JsonValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(values) => serializer.collect_seq(values),
            Self::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}
