//! A JSON text as a tree that knows its lines.

use cni_types::bounded;
use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::{Finding, Severity};

/// A place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    pub(crate) fn error(self, path: &str, message: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Error,
            line: self.line,
            column: self.column,
            path: bounded(path).into_owned(),
            message: message.into(),
            suggestion: None,
            is_unknown_key: false,
        }
    }

    pub(crate) fn warning(self, path: &str, message: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Warning,
            ..self.error(path, message)
        }
    }
}

impl Finding {
    /// The same, of a key that nobody reads.
    pub(crate) fn of_unknown_key(self) -> Self {
        Self {
            is_unknown_key: true,
            ..self
        }
    }

    /// The same, with what is probably meant.
    pub(crate) fn meant(self, suggestion: impl Into<String>) -> Self {
        Self {
            suggestion: Some(suggestion.into()),
            ..self
        }
    }
}

/// A parsed text.
pub(crate) struct Document<'a> {
    /// The value of the whole text.
    pub(crate) root: Value<'a>,
    /// Where lines begin, in bytes.
    lines: Vec<usize>,
}

impl<'a> Document<'a> {
    /// Parses a text that the protocol's own reader has accepted; it says more clearly what is wrong.
    pub(crate) fn read(text: &'a str) -> Result<Self, Finding> {
        let lines = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let strict = ParseOptions {
            allow_comments: false,
            allow_loose_object_property_names: false,
            allow_trailing_commas: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_non_finite_numbers: false,
            allow_extended_string_escapes: false,
        };
        let parsed = parse_to_ast(text, &CollectOptions::default(), &strict);
        let (line, column, message) = match parsed {
            Ok(parsed) => match parsed.value {
                Some(root) => return Ok(Self { root, lines }),
                None => (1, 1, "no value".to_owned()),
            },
            Err(error) => (
                error.line_display(),
                error.column_display(),
                error.kind().to_string(),
            ),
        };
        Err(Place { line, column }.error("", format!("no valid JSON: {message}")))
    }

    /// Where a value or a key begins.
    pub(crate) fn place(&self, of: &impl Ranged) -> Place {
        let start = of.range().start;
        let line = self.lines.partition_point(|begin| *begin <= start);
        let begin = line.checked_sub(1).and_then(|index| self.lines.get(index));
        Place {
            line,
            column: start - begin.copied().unwrap_or(start) + 1,
        }
    }
}

/// The entry that plugins decode into the key `name`: the exact one, else one in another letter
/// case; of several the last.
pub(crate) fn entry<'o, 'a>(object: &'o Object<'a>, name: &str) -> Option<&'o ObjectProp<'a>> {
    let last = |is: &dyn Fn(&str) -> bool| object.properties.iter().rfind(|p| is(p.name.as_str()));
    last(&|key| key == name).or_else(|| last(&|key| key.eq_ignore_ascii_case(name)))
}

/// The string of the key `name`.
pub(crate) fn text<'o>(object: &'o Object<'_>, name: &str) -> Option<&'o str> {
    match &entry(object, name)?.value {
        Value::StringLit(text) => Some(&text.value),
        _ => None,
    }
}

/// The object of the key `name`.
pub(crate) fn object<'o, 'a>(of: &'o Object<'a>, name: &str) -> Option<&'o Object<'a>> {
    match &entry(of, name)?.value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// The value of the key spelt exactly so; of several the last.
pub(crate) fn exact<'o, 'a>(root: &'o Object<'a>, key: &str) -> Option<&'o Value<'a>> {
    let last = root
        .properties
        .iter()
        .rfind(|property| property.name.as_str() == key);
    last.map(|property| &property.value)
}

/// The text of a string.
pub(crate) fn string<'o>(value: &'o Value<'_>) -> Option<&'o str> {
    match value {
        Value::StringLit(text) => Some(&text.value),
        _ => None,
    }
}

/// A path of keys, one longer.
pub(crate) fn join(path: &str, key: &str) -> String {
    let key = bounded(key);
    let plain = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_alphanumeric() || "_-$/".contains(c));
    match (path, plain) {
        ("", true) => key.into_owned(),
        (_, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{key:?}]"),
    }
}
