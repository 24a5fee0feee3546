//! The schemas of a configuration list and of the key `ipam`, which lead to those of the plugins.

use std::fs;

use serde_json::{Value, json};

use crate::{BASE, root};

/// The plugins of these folders, by name.
fn plugins(folders: &[&str]) -> Vec<String> {
    let entries = folders
        .iter()
        .flat_map(|folder| fs::read_dir(root().join(folder)).expect("the folder is there"))
        .map(|entry| entry.expect("the folder is readable").path())
        .filter(|path| path.join("Cargo.toml").is_file());
    let names = entries.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// An object with the keys of the plugin that its `type` names; any keys for other plugins.
fn by_type(names: &[String], schema: Value) -> Value {
    let mut schema = schema;
    let cases = names.iter().map(|name| {
        json!({
            "if": { "required": ["type"], "properties": { "type": { "const": name } } },
            "then": { "$ref": format!("{name}.schema.json") },
        })
    });
    schema["type"] = json!("object");
    schema["allOf"] = cases.collect();
    schema["properties"] = json!({ "type": {
        "type": "string", "examples": names,
        "description": "The plugin: the name of its executable.",
    }});
    schema
}

fn with_head(name: &str, title: &str, mut schema: Value) -> Value {
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["$id"] = json!(format!("{BASE}/{name}.schema.json"));
    schema["title"] = json!(title);
    schema
}

/// The key `ipam`.
pub(crate) fn ipam() -> Value {
    let schema = by_type(&plugins(&["ipam"]), json!({}));
    with_head(
        "ipam",
        "The key ipam of a CNI plugin's configuration",
        schema,
    )
}

/// A file `*.conflist`. Keys of the list match exactly.
pub(crate) fn conflist() -> Value {
    let names = plugins(&["plugins/main", "plugins/meta"]);
    let versions = [
        "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
    ];
    // Since 0.4.0 the text of a boolean is accepted as well.
    let switch = |about: &str| {
        json!({
            "anyOf": [
                { "type": "boolean" },
                { "type": "string", "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$" },
            ],
            "description": about,
        })
    };
    let schema = json!({
        "type": "object",
        "required": ["cniVersion", "name"],
        "properties": {
            "$schema": { "type": "string", "description": "This schema, for editors." },
            "cniVersion": { "enum": versions, "description": "Version of the specification." },
            "cniVersions": {
                "type": "array", "items": { "enum": versions },
                "description": "Further versions; a runtime of 1.1.0 or newer takes the newest that it knows.",
            },
            "name": {
                "type": "string", "format": "network-name", "pattern": "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
                "description": "The network's name: letters, digits, and _ . - behind the first.",
            },
            "disableCheck": switch("Whether CHECK succeeds without asking the plugins."),
            "disableGC": switch("Whether GC does nothing."),
            "loadOnlyInlinedPlugins": switch("Whether to pass over the files in the folder of the network's name."),
            "plugins": {
                "type": "array", "minItems": 1, "items": by_type(&names, json!({ "required": ["type"] })),
                "description": "The plugins, in the order of ADD.",
            },
        },
    });
    with_head(
        "conflist",
        "A CNI network: a list of plugins (*.conflist)",
        schema,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{compare, folder};

    #[test]
    fn the_lists_are_current() {
        compare("ipam", &ipam());
        compare("conflist", &conflist());
    }

    /// No file is left of a plugin that has gone, and none is missing.
    #[test]
    fn every_plugin_has_a_schema() {
        let mut names = plugins(&["plugins/main", "plugins/meta", "ipam"]);
        names.extend(["ipam".to_owned(), "conflist".to_owned()]);
        names.sort();
        let files = fs::read_dir(folder()).unwrap();
        let mut found: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .map(|name| {
                name.strip_suffix(".schema.json")
                    .unwrap_or(&name)
                    .to_owned()
            })
            .collect();
        found.sort();
        assert_eq!(found, names);
    }

    /// No keyword has `null` for its value.
    #[test]
    fn schemas_are_schemas() {
        fn assert_no_null(value: &Value) {
            match value {
                Value::Null => panic!("null in a schema"),
                Value::Array(values) => values.iter().for_each(assert_no_null),
                Value::Object(entries) => entries.values().for_each(assert_no_null),
                _ => {}
            }
        }
        for file in fs::read_dir(folder()).unwrap() {
            let text = fs::read(file.unwrap().path()).unwrap();
            assert_no_null(&serde_json::from_slice(&text).unwrap());
        }
    }

    /// An editor shows it for each key.
    #[test]
    fn every_key_is_described() {
        for file in fs::read_dir(folder()).unwrap() {
            let path = file.unwrap().path();
            let schema: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            for (key, value) in schema["properties"].as_object().unwrap() {
                let text = value["description"].as_str().unwrap_or_default();
                assert!(!text.is_empty(), "{key} in {}", path.display());
                assert!(!text.contains("  "), "{text}");
            }
        }
    }
}
