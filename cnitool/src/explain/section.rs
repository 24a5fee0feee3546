//! One section of what is said about a container.

use serde_json::{Map, Value};

use crate::table::Table;

/// A table of findings.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name in JSON: `ipAddresses`; in text it is `IP ADDRESSES`.
    pub(super) key: &'static str,
    /// The names of the columns, likewise.
    columns: &'static [&'static str],
    pub(super) rows: Vec<Vec<Value>>,
    /// How many rows were left out because there were too many.
    pub(super) omitted: usize,
    /// What could not be found out.
    pub(super) faults: Vec<String>,
}

impl Section {
    pub(super) fn new(key: &'static str, columns: &'static [&'static str]) -> Self {
        Self {
            key,
            columns,
            rows: Vec::new(),
            omitted: 0,
            faults: Vec::new(),
        }
    }

    /// Adds a row unless it is there already.
    pub(super) fn row<const N: usize>(&mut self, values: [Value; N]) {
        let row = Vec::from(values);
        if !self.rows.contains(&row) {
            self.rows.push(row);
        }
    }

    /// Returns the value, or records why there is none.
    pub(super) fn note<T, E: ToString>(&mut self, outcome: Result<T, E>) -> Option<T> {
        outcome.map_err(|error| self.fault(error.to_string())).ok()
    }

    /// Records something that could not be found out, once.
    pub(super) fn fault(&mut self, text: String) {
        if !self.faults.contains(&text) {
            self.faults.push(text);
        }
    }

    pub(super) fn text(&self) -> String {
        let title = words(self.key);
        let mut lines = Vec::new();
        if !self.rows.is_empty() {
            let heads: Vec<String> = self.columns.iter().map(|column| words(column)).collect();
            let mut table = Table::new(&heads);
            for row in &self.rows {
                table.row(row.iter().map(shown).collect());
            }
            lines.extend(table.text().lines().map(str::to_owned));
        }
        if self.omitted > 0 {
            lines.push(format!("and {} more", self.omitted));
        }
        lines.extend(
            self.faults
                .iter()
                .map(|fault| format!("not known: {fault}")),
        );
        if lines.is_empty() {
            return format!("{title}: none\n");
        }
        format!("{title}\n  {}\n", lines.join("\n  "))
    }

    pub(super) fn as_json(&self) -> Value {
        let object = |row: &Vec<Value>| {
            let pairs = self.columns.iter().zip(row);
            let pairs = pairs.filter(|(_, value)| !value.is_null());
            let object: Map<String, Value> = pairs
                .map(|(column, value)| ((*column).to_owned(), value.clone()))
                .collect();
            Value::Object(object)
        };
        self.rows.iter().map(object).collect()
    }
}

/// A value for people: lists with blanks between their elements.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace('\n', " "),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// `cacheFile` as `CACHE FILE`.
fn words(key: &str) -> String {
    let mut text = String::new();
    for letter in key.chars() {
        if letter.is_ascii_uppercase() {
            text.push(' ');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sections_are_tables_and_objects() {
        let mut section = Section::new("someThings", &["name", "cacheFile", "list"]);
        assert_eq!(section.text(), "SOME THINGS: none\n");
        section.row(["a".into(), Value::Null, vec!["x", "y"].into()]);
        section.row(["a".into(), Value::Null, vec!["x", "y"].into()]);
        section.omitted = 3;
        assert_eq!(section.note::<(), _>(Err("no filter")), None);
        assert_eq!(
            section.text(),
            "SOME THINGS\n  NAME  LIST\n  a     x y\n  and 3 more\n  not known: no filter\n"
        );
        assert_eq!(
            section.as_json(),
            json!([{ "name": "a", "list": ["x", "y"] }])
        );
    }
}
