//! The keys that every plugin's configuration has, beside those of the plugin's own type.

use serde_json::{Map, Value, json};

use crate::types::{self, Dns};
use crate::{BASE, Role};

/// What is written in `ipam` whatever its `type`: capabilities of the address plugins here.
const IPAM_CAPABILITIES: [&str; 2] = ["ipRanges", "ips"];

/// The whole schema of a plugin: its own keys win over the common ones.
pub(crate) fn schema(
    name: &str,
    role: Role,
    versions: &[&str],
    mut own: Map<String, Value>,
) -> Value {
    let capabilities = keys_of(&own, &["runtimeConfig"]);
    if role == Role::Ipam {
        // An address plugin reads the same document as the plugin that calls it.
        let ipam = own.get("properties").and_then(|keys| keys.get("ipam"));
        own = ipam
            .and_then(Value::as_object)
            .cloned()
            .expect("an address plugin has the key ipam");
    }
    let mut properties = common(role, versions, &capabilities);
    properties.insert(
        "type".to_owned(),
        json!({ "const": name, "description": "The plugin: the name of its executable." }),
    );
    if let Some(Value::Object(keys)) = own.remove("properties") {
        for (key, value) in keys {
            match (key.as_str(), properties.get_mut(&key)) {
                // Runtimes put in what others read, too.
                ("runtimeConfig" | "args", Some(common)) => {
                    if let Some(keys) = value.get("properties") {
                        common["properties"] = keys.clone();
                    }
                    if let Some(Value::Object(cni)) = common.pointer_mut("/properties/cni") {
                        cni.insert("additionalProperties".to_owned(), json!(true));
                    }
                }
                ("capabilities", Some(_)) => {}
                _ => {
                    properties.insert(key, value);
                }
            }
        }
    }
    let mut required = vec![json!("type")];
    if let Some(Value::Array(keys)) = own.remove("required") {
        required.extend(keys);
    }
    let mut schema = own;
    let title = format!("Configuration of the CNI plugin {name}");
    schema.insert("title".to_owned(), json!(title));
    schema.insert(
        "$id".to_owned(),
        json!(format!("{BASE}/{name}.schema.json")),
    );
    schema.insert(
        "$schema".to_owned(),
        json!("http://json-schema.org/draft-07/schema#"),
    );
    schema.insert("required".to_owned(), json!(required));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema.insert("patternProperties".to_owned(), json!({ "^cni\\.dev/": {} }));
    schema.insert(
        "x-cni".to_owned(),
        json!({ "role": role.as_str(), "supportedVersions": versions, "capabilities": capabilities }),
    );
    schema.remove("description");
    Value::Object(schema)
}

/// The keys of the object at the path.
fn keys_of(schema: &Map<String, Value>, path: &[&str]) -> Vec<String> {
    let properties = |schema: Option<&Value>| schema.and_then(|s| s.get("properties")).cloned();
    let mut keys = schema.get("properties").cloned();
    for key in path {
        keys = properties(keys.as_ref().and_then(|keys| keys.get(key)));
    }
    let keys = keys.as_ref().and_then(Value::as_object);
    keys.map(|keys| keys.keys().cloned().collect())
        .unwrap_or_default()
}

fn common(role: Role, versions: &[&str], capabilities: &[String]) -> Map<String, Value> {
    if role == Role::Ipam {
        return Map::new();
    }
    let from_ipam = IPAM_CAPABILITIES.iter().filter(|_| role == Role::Interface);
    let known: Map<String, Value> = capabilities
        .iter()
        .map(String::as_str)
        .chain(from_ipam.copied())
        .map(|name| (name.to_owned(), json!({ "type": "boolean" })))
        .collect();
    let list = json!({
        "$schema": { "type": "string", "description": "This schema, for editors." },
        "cniVersion": {
            "enum": versions,
            "description": "Version of the specification, where the plugin is a network of its own; set by the list's otherwise.",
        },
        "name": {
            "type": "string", "format": "network-name",
            "description": "The network's name, where the plugin is a network of its own; set by the list's otherwise.",
        },
        "capabilities": {
            "type": "object", "properties": known, "additionalProperties": { "type": "boolean" },
            "description": "What the runtime may put into runtimeConfig: true for each.",
        },
        "dns": Value::Object(types::schema::<Dns>()),
        "ipam": {
            "$ref": "ipam.schema.json",
            "description": "The address plugin and its configuration.",
        },
        "args": {
            "type": "object", "additionalProperties": true,
            "description": "Set by runtimes: arguments by convention, under cni.",
        },
        "runtimeConfig": {
            "type": "object", "additionalProperties": true,
            "description": "Set by the runtime: the values of the capabilities.",
        },
        "prevResult": {
            "type": "object", "additionalProperties": true,
            "description": "Set by the runtime: the result of the plugin before.",
        },
    });
    let Value::Object(mut list) = list else {
        return Map::new();
    };
    list["dns"]["description"] =
        json!("DNS settings of the result, in place of the address plugin's.");
    if role != Role::Interface {
        list.remove("ipam");
    }
    list
}
