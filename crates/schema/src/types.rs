//! From a type to its schema, and schemas of types that plugins take over from `cni-types`.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// A route of a configuration: the keys of `cni_types::Route`.
#[derive(JsonSchema)]
#[schemars(description = "A route.", extend("required" = ["dst"]))]
#[expect(dead_code, reason = "only its schema is of use")]
pub struct Route {
    /// The destination, with its prefix length.
    #[schemars(extend("format" = "cidr"))]
    dst: Option<String>,
    /// The next hop; if absent the gateway of the address of that family.
    #[schemars(extend("format" = "ip"))]
    gw: Option<String>,
    /// Path MTU in bytes.
    mtu: Option<u32>,
    /// Maximal segment size advertised to TCP peers, in bytes.
    advmss: Option<u32>,
    /// Metric.
    priority: Option<u32>,
    /// Routing table; if absent the main one.
    table: Option<u32>,
    /// Scope: 0 is global, 253 link, 254 host.
    scope: Option<u8>,
}

/// DNS settings of a configuration: the keys of `cni_types::Dns`.
#[derive(JsonSchema)]
#[schemars(description = "DNS settings.")]
#[expect(dead_code, reason = "only its schema is of use")]
pub struct Dns {
    /// Addresses of name servers, in order of preference.
    nameservers: Option<Vec<String>>,
    /// The local domain.
    domain: Option<String>,
    /// Domains searched for short host names.
    search: Option<Vec<String>>,
    /// Resolver options.
    options: Option<Vec<String>>,
}

/// The schema of a type, without references and in the words of Go's decoder.
pub(crate) fn schema<T: JsonSchema>() -> Map<String, Value> {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut schema = schema.to_value();
    simplify(&mut schema);
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// Removes what Rust says and Go's decoder does not: zero values as defaults, `null`, sizes of
/// integers, for which it puts their bounds.
fn simplify(value: &mut Value) {
    let schema = match value {
        Value::Object(schema) => schema,
        Value::Array(values) => return values.iter_mut().for_each(simplify),
        _ => return,
    };
    // The object `properties` has names of keys, which may be those removed here.
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(simplify);
        schema.entry("additionalProperties").or_insert(json!(false));
    }
    for (key, value) in schema.iter_mut() {
        if matches!(key.as_str(), "items" | "anyOf" | "additionalProperties") {
            simplify(value);
        }
    }
    for key in ["$schema", "title", "default"] {
        schema.remove(key);
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [kind] = types.as_slice() {
            let kind = kind.clone();
            schema.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(choice)] = choices.as_slice() {
            let choice = choice.clone();
            schema.remove("anyOf");
            for (key, value) in choice {
                schema.entry(key).or_insert(value);
            }
        }
    }
    let bounds = match schema.get("format").and_then(Value::as_str) {
        Some("uint32") => Some(json!([0, u32::MAX])),
        Some("uint8") => Some(json!([0, u8::MAX])),
        Some("uint64") => Some(json!([0, null])),
        Some("int64") => Some(json!([null, null])),
        _ => None,
    };
    if let Some(bounds) = bounds {
        schema.remove("format");
        for (key, bound) in [("minimum", &bounds[0]), ("maximum", &bounds[1])] {
            if !bound.is_null() {
                schema.entry(key).or_insert(bound.clone());
            }
        }
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(value: &Value) -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn protocol_types_have_the_keys_of_their_schemas() {
        let text = r#"{"dst": "10.0.0.0/8", "gw": "10.0.0.1", "mtu": 1, "advmss": 1, "priority": 1,
            "table": 1, "scope": 1}"#;
        let route: cni_types::Route = serde_json::from_str(text).unwrap();
        let route = serde_json::to_value(route).unwrap();
        assert_eq!(keys(&schema::<Route>()["properties"]), keys(&route));
        let text = r#"{"nameservers": ["x"], "domain": "x", "search": ["x"], "options": ["x"]}"#;
        let dns: cni_types::Dns = serde_json::from_str(text).unwrap();
        let dns = serde_json::to_value(dns).unwrap();
        assert_eq!(keys(&schema::<Dns>()["properties"]), keys(&dns));
    }

    #[test]
    fn rust_does_not_show_through() {
        #[derive(Default, JsonSchema, serde::Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Example {
            /// Two
            /// lines.
            default: Option<u32>,
            inner_keys: Option<Inner>,
            number: i64,
        }
        #[derive(Default, JsonSchema, serde::Deserialize)]
        #[serde(default)]
        struct Inner {
            list: Vec<bool>,
        }
        assert_eq!(
            Value::Object(schema::<Example>()),
            json!({ "type": "object", "additionalProperties": false, "properties": {
                "default": { "type": "integer", "minimum": 0, "maximum": u32::MAX, "description": "Two lines." },
                "innerKeys": { "type": "object", "additionalProperties": false, "properties": {
                    "list": { "type": "array", "items": { "type": "boolean" } } } },
                "number": { "type": "integer" } } })
        );
    }
}
