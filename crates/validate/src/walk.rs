//! A value against a schema, by the rules of Go's decoder: keys match in any letter case, `null` is
//! an absent key.
//!
//! Understands the keywords that the schemas in `conf/schema` have, not all of JSON Schema.

use cni_types::bounded;
use jsonc_parser::ast::{Object, ObjectProp, Value};
use serde_json::Value as Json;

use crate::document::{Document, Place, join};
use crate::{Finding, format, nearest};

/// Compares values of one document with schemas.
pub(crate) struct Walk<'d> {
    pub(crate) document: &'d Document<'d>,
    /// Where a key that an object does not have would belong.
    pub(crate) misplaced: &'d dyn Fn(&str) -> Option<String>,
    pub(crate) findings: &'d mut Vec<Finding>,
}

impl Walk<'_> {
    /// Compares `value`, to be found under `path`.
    pub(crate) fn value(&mut self, value: &Value<'_>, schema: &Json, path: &str) {
        let place = self.document.place(value);
        let types = types(schema);
        if matches!(value, Value::NullKeyword(_)) {
            return;
        }
        if !types.is_empty() && !types.iter().any(|kind| is_a(value, kind)) {
            let text = format!("expected {}, found {}", types.join(" or "), describe(value));
            let finding = place.error(path, text);
            return self.findings.push(match hint(value, &types) {
                Some(meant) => finding.meant(meant),
                None => finding,
            });
        }
        match value {
            Value::Object(object) => self.object(object, schema, path),
            Value::Array(array) => {
                let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
                if (array.elements.len() as u64) < least {
                    self.findings.push(place.error(path, "the list is empty"));
                }
                if let Some(items) = schema.get("items") {
                    for (index, element) in array.elements.iter().enumerate() {
                        self.value(element, items, &format!("{path}[{index}]"));
                    }
                }
            }
            Value::StringLit(text) => {
                self.findings
                    .extend(string(&text.value, schema, place, path));
            }
            Value::NumberLit(number) => {
                self.findings
                    .extend(bounds(number.value, schema, place, path));
            }
            Value::BooleanLit(_) | Value::NullKeyword(_) => {}
        }
    }

    /// Compares the keys of `object`, to be found under `path`.
    pub(crate) fn object(&mut self, object: &Object<'_>, schema: &Json, path: &str) {
        let properties = schema.get("properties").and_then(Json::as_object);
        let known = |key: &str| {
            let properties = properties?;
            let exact = properties.get_key_value(key);
            exact.or_else(|| {
                properties
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(key))
            })
        };
        let mut seen: Vec<&str> = Vec::new();
        for property in &object.properties {
            let key = property.name.as_str();
            let path = join(path, key);
            let place = self.document.place(property);
            match known(key) {
                Some((name, schema)) => {
                    if seen.contains(&name.as_str()) {
                        let text = format!("{name:?} is there twice; one of them is ignored");
                        self.findings.push(place.warning(&path, text));
                    }
                    seen.push(name);
                    self.value(&property.value, schema, &path);
                }
                None => match schema.get("additionalProperties") {
                    Some(Json::Bool(false)) => {
                        let names = properties
                            .into_iter()
                            .flatten()
                            .map(|(name, _)| name.as_str());
                        self.unknown_key(property, names, &path);
                    }
                    Some(schema @ Json::Object(_)) => self.value(&property.value, schema, &path),
                    _ => {}
                },
            }
        }
        let required = schema.get("required").and_then(Json::as_array);
        for key in required.into_iter().flatten().filter_map(Json::as_str) {
            if !seen.contains(&key) {
                let place = self.document.place(object);
                self.findings
                    .push(place.error(path, format!("the key {key:?} is missing")));
            }
        }
    }

    fn unknown_key<'k>(
        &mut self,
        property: &ObjectProp<'_>,
        known: impl Iterator<Item = &'k str>,
        path: &str,
    ) {
        let key = property.name.as_str();
        if is_remark(key) || key.starts_with("cni.dev/") {
            return;
        }
        let place = self.document.place(property);
        let text = format!("unknown key {:?}", bounded(key));
        let finding = if let Some(home) = (self.misplaced)(key) {
            place.error(path, format!("{text}: it belongs into {home}"))
        } else if let Some(meant) = nearest(key, known) {
            place.error(path, text).meant(meant)
        } else {
            place.warning(path, format!("{text}: it is ignored"))
        };
        self.findings.push(finding.of_unknown_key());
    }
}

/// Keys that are there for people, or for editors.
pub(crate) fn is_remark(key: &str) -> bool {
    key.starts_with(['_', '$', '#', '/']) || key.eq_ignore_ascii_case("comment")
}

/// The types that the schema allows; none if any.
fn types(schema: &Json) -> Vec<&str> {
    let own = schema.get("type").and_then(Json::as_str);
    let choices = schema.get("anyOf").and_then(Json::as_array);
    let choices = choices.into_iter().flatten();
    own.into_iter()
        .chain(choices.filter_map(|choice| choice.get("type").and_then(Json::as_str)))
        .collect()
}

fn is_a(value: &Value<'_>, kind: &str) -> bool {
    match value {
        Value::StringLit(_) => kind == "string",
        Value::NumberLit(number) => {
            kind == "number" || kind == "integer" && integer(number.value).is_some()
        }
        Value::BooleanLit(_) => kind == "boolean",
        Value::Object(_) => kind == "object",
        Value::Array(_) => kind == "array",
        Value::NullKeyword(_) => true,
    }
}

/// The whole number that a text stands for: runtimes write `1500.0` as `1500`.
fn integer(text: &str) -> Option<i128> {
    let exact = text.parse::<i128>().ok();
    exact.or_else(|| {
        let number: f64 = text.parse().ok()?;
        let whole = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
        whole.then(|| format!("{number:.0}").parse().ok()).flatten()
    })
}

fn describe(value: &Value<'_>) -> String {
    match value {
        Value::StringLit(text) => format!("the string {:?}", bounded(&text.value)),
        Value::NumberLit(number) => format!("the number {}", bounded(number.value)),
        Value::BooleanLit(boolean) => boolean.value.to_string(),
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::NullKeyword(_) => "null".to_owned(),
    }
}

/// The same value in the type that is wanted.
fn hint(value: &Value<'_>, types: &[&str]) -> Option<String> {
    let wanted = |kind: &str| types.contains(&kind);
    match value {
        Value::StringLit(text) => {
            let text = text.value.trim();
            let number = wanted("integer") && integer(text).is_some();
            let boolean = wanted("boolean") && matches!(text, "true" | "false");
            (number || boolean).then(|| bounded(text).into_owned())
        }
        Value::NumberLit(number) if types == ["string"] => {
            Some(format!("{:?}", bounded(number.value)))
        }
        Value::BooleanLit(boolean) if types == ["string"] => Some(format!("\"{}\"", boolean.value)),
        _ => None,
    }
}

fn string(text: &str, schema: &Json, place: Place, path: &str) -> Option<Finding> {
    let quoted = || format!("{:?}", bounded(text));
    if let Some(values) = schema.get("enum").and_then(Json::as_array) {
        let values: Vec<&str> = values.iter().filter_map(Json::as_str).collect();
        // The plugins take an empty text for an absent key.
        if text.is_empty() || values.contains(&text) {
            return None;
        }
        let finding = place.error(
            path,
            format!("{} is none of {}", quoted(), values.join(", ")),
        );
        let begun = values.iter().find(|value| value.starts_with(text)).copied();
        let meant = nearest(text, values).or(begun);
        return Some(match meant {
            Some(meant) => finding.meant(meant),
            None => finding,
        });
    }
    let format = schema.get("format").and_then(Json::as_str)?;
    let expected = format::mismatch(format, text)?;
    Some(place.error(path, format!("{} is not {expected}", quoted())))
}

fn bounds(number: &str, schema: &Json, place: Place, path: &str) -> Option<Finding> {
    let bound = |keyword: &str| Some(i128::from(schema.get(keyword)?.as_i64()?));
    let number = integer(number)?;
    let (least, most) = (bound("minimum"), bound("maximum"));
    if least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most) {
        return None;
    }
    let allowed = match (least, most) {
        (Some(least), Some(most)) => format!("must be between {least} and {most}"),
        (Some(least), None) => format!("must be at least {least}"),
        (None, most) => format!("must be at most {}", most.unwrap_or_default()),
    };
    Some(place.error(path, format!("{number} is out of range: it {allowed}")))
}
