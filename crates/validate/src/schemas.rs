//! The embedded schemas.

use serde_json::Value;

/// Names and schemas, sorted by name.
const SCHEMAS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/schemas.rs"));

/// What a plugin does in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Interface,
    Chained,
    Ipam,
    Loopback,
}

/// The schema of one plugin.
pub(crate) struct Schema(Value);

impl Schema {
    /// The schema of the plugin; none for plugins of others.
    pub(crate) fn of(plugin: &str) -> Option<Self> {
        let schema = by_name(plugin)?;
        // The schemas of the list and of `ipam` belong to no plugin.
        schema.get("x-cni").is_some().then_some(Self(schema))
    }

    /// The schema of a list.
    pub(crate) fn of_list() -> Self {
        Self(by_name("conflist").unwrap_or_default())
    }

    pub(crate) fn value(&self) -> &Value {
        &self.0
    }

    pub(crate) fn role(&self) -> Role {
        match self.0.pointer("/x-cni/role").and_then(Value::as_str) {
            Some("chained") => Role::Chained,
            Some("ipam") => Role::Ipam,
            Some("loopback") => Role::Loopback,
            _ => Role::Interface,
        }
    }

    /// The capabilities whose values it reads.
    pub(crate) fn capabilities(&self) -> Vec<&str> {
        self.words("/x-cni/capabilities")
    }

    /// The versions that it speaks.
    pub(crate) fn versions(&self) -> Vec<&str> {
        self.words("/x-cni/supportedVersions")
    }

    /// Its keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let keys = self.0.get("properties").and_then(Value::as_object);
        keys.into_iter().flatten().map(|(key, _)| key.as_str())
    }

    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.keys().any(|known| known.eq_ignore_ascii_case(key))
    }

    fn words(&self, pointer: &str) -> Vec<&str> {
        let words = self.0.pointer(pointer).and_then(Value::as_array);
        words
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }
}

fn by_name(name: &str) -> Option<Value> {
    let index = SCHEMAS
        .binary_search_by_key(&name, |(known, _)| known)
        .ok()?;
    let (_, text) = SCHEMAS.get(index)?;
    serde_json::from_str(text).ok()
}

/// The plugins whose configuration is known.
pub fn plugins() -> impl Iterator<Item = &'static str> {
    let names = SCHEMAS.iter().map(|(name, _)| *name);
    names.filter(|name| !matches!(*name, "conflist" | "ipam"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_has_a_schema() {
        assert!(plugins().count() > 16);
        for plugin in plugins() {
            let schema = Schema::of(plugin).unwrap();
            assert!(
                schema.has_key("TYPE") && !schema.versions().is_empty(),
                "{plugin}"
            );
        }
        assert!(Schema::of("ipam").is_none() && Schema::of("calico").is_none());
        assert!(Schema::of_list().has_key("cniVersions"));
        assert_eq!(
            Schema::of("portmap").unwrap().capabilities(),
            ["portMappings"]
        );
        assert_eq!(Schema::of("portmap").unwrap().role(), Role::Chained);
    }
}
