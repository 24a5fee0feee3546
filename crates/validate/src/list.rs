//! The keys of a list, which match in their exact letter case, unlike those of plugins.

use std::cell::LazyCell;

use cni_types::bounded;
use jsonc_parser::ast::{Object, Value};
use serde_json::Value as Json;

use crate::document::{Document, entry, exact, join, string, text};
use crate::network::Member;
use crate::schemas::Schema;
use crate::walk::{Walk, is_remark};
use crate::{Finding, Report, nearest, plugins};

/// Checks the keys of a list, which match exactly, and returns its plugins.
pub(crate) fn members<'o, 'a>(
    document: &Document<'_>,
    root: &'o Object<'a>,
    report: &mut Report,
) -> Vec<Member<'o, 'a>> {
    let schema = Schema::of_list();
    let properties = schema.value().get("properties");
    let plugins = LazyCell::new(|| plugins().filter_map(Schema::of).collect::<Vec<_>>());
    let mut members = Vec::new();
    for property in &root.properties {
        let key = property.name.as_str();
        let path = join("", key);
        match (properties.and_then(|known| known.get(key)), &property.value) {
            (Some(_), Value::Array(plugins)) if key == "plugins" => {
                members.clear();
                for (index, element) in plugins.elements.iter().enumerate() {
                    let path = format!("plugins[{index}]");
                    match element {
                        Value::Object(object) => members.push(Member { object, path }),
                        other => {
                            let place = document.place(other);
                            report
                                .findings
                                .push(place.error(&path, "expected an object"));
                        }
                    }
                }
                if plugins.elements.is_empty() {
                    let place = document.place(&property.value);
                    report
                        .findings
                        .push(place.error(&path, "the list is empty"));
                }
            }
            (Some(schema), value) => {
                let mut walk = Walk {
                    document,
                    misplaced: &|_| None,
                    findings: &mut report.findings,
                };
                walk.value(value, schema, &path);
                switch(document, value, schema, &path, report);
            }
            (None, _) => {
                let finding = document
                    .place(property)
                    .error(&path, format!("unknown key {:?}", bounded(key)))
                    .of_unknown_key();
                report
                    .findings
                    .extend(unknown_key(key, &schema, &plugins, finding));
            }
        }
    }
    if exact(root, "plugins").is_none() && !report.name.is_empty() {
        let text = format!(
            "there is no key \"plugins\": the plugins must be in the folder {} beside the file",
            report.name
        );
        report.findings.push(document.place(root).warning("", text));
    }
    members
}

/// Runtimes keep keys of their own in a list, so only those are reported that are meant for plugins.
fn unknown_key(
    key: &str,
    schema: &Schema,
    plugins: &[Schema],
    finding: Finding,
) -> Option<Finding> {
    if is_remark(key) || matches!(key, "args" | "runtimeConfig") {
        return None;
    }
    if let Some(meant) = schema.keys().find(|known| known.eq_ignore_ascii_case(key)) {
        let message = format!(
            "{}: keys of a list match in their exact letter case only",
            finding.message
        );
        return Some(Finding { message, ..finding }.meant(meant));
    }
    if plugins.iter().any(|plugin| plugin.has_key(key)) {
        let message = format!("{}: it belongs into a plugin", finding.message);
        return Some(Finding { message, ..finding });
    }
    nearest(key, schema.keys()).map(|meant| finding.meant(meant))
}

/// A boolean may be written as text.
fn switch(
    document: &Document<'_>,
    value: &Value<'_>,
    schema: &Json,
    path: &str,
    report: &mut Report,
) {
    let Some(word) = string(value).filter(|_| schema.get("anyOf").is_some()) else {
        return;
    };
    if !word.eq_ignore_ascii_case("true") && !word.eq_ignore_ascii_case("false") {
        let text = format!("{:?} is neither true nor false", bounded(word));
        report
            .findings
            .push(document.place(value).error(path, text));
    }
}

/// The versions that a runtime may choose.
pub(crate) fn versions(
    document: &Document<'_>,
    root: &Object<'_>,
    report: &mut Report,
) -> Vec<String> {
    let mut versions: Vec<String> = Vec::new();
    versions.extend(
        text(root, "cniVersion")
            .map(str::to_owned)
            .filter(|text| !text.is_empty()),
    );
    if let Some(Value::Array(further)) = exact(root, "cniVersions") {
        versions.extend(
            further
                .elements
                .iter()
                .filter_map(string)
                .map(str::to_owned),
        );
    }
    if versions.is_empty()
        && entry(root, "cniVersion").is_none_or(|entry| string(&entry.value) == Some(""))
    {
        let text = "the key \"cniVersion\" is missing: that means version 0.1.0, without CHECK";
        report.findings.push(document.place(root).warning("", text));
        versions.push("0.1.0".to_owned());
    }
    versions.sort();
    versions.dedup();
    versions
}
