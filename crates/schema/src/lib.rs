//! JSON Schemas of the plugins' configurations, in `conf/schema`.
//!
//! Editors complete from them, and `cnitool validate` has them within. Each is made from the type
//! that the plugin decodes its keys into, whose doc comments become descriptions. The types derive
//! `schemars::JsonSchema` in tests alone (`cfg_attr(test, …)`), so executables carry none of it.
//!
//! A plugin has one line for it:
//!
//! ```ignore
//! #[test]
//! fn the_schema_is_current() {
//!     ferrule_schema::assert_current::<BridgePlugin>(ferrule_schema::Role::Interface);
//! }
//! ```
//!
//! With the variable `FERRULE_SCHEMA` set to `write` the test writes the file instead (`make schema`).
//! The lists of plugins in `conflist.schema.json` and `ipam.schema.json` follow from the folders.
//!
//! Schemas have the exact spelling of keys, though plugins match them regardless of case, and no
//! `null`, which plugins take for an absent key. They allow no further keys, as an unknown key is a
//! misspelt one more often than not; plugins ignore those. `x-cni` has what is no matter of keys:
//! the plugin's role, its versions, and the capabilities it reads.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test support: a panic is how a test fails"
)]

#[cfg(test)]
mod list;
mod network;
mod types;

use std::path::{Path, PathBuf};
use std::{env, fs};

use ferrule_plugin::Plugin;
use schemars::JsonSchema;
use serde_json::Value;

pub use types::{Dns, Route};

/// Where schemas are found in the web; the name of each is its file's.
const BASE: &str = "https://raw.githubusercontent.com/ferrule-cni/ferrule/main/conf/schema";

/// The variable that has the tests write the files.
const VARIABLE: &str = "FERRULE_SCHEMA";

/// What a plugin does in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Makes an interface of the container, or has another plugin do it. It has the key `ipam`.
    Interface,
    /// Works on the result of the plugin before it.
    Chained,
    /// Is called by another plugin, which has its keys in `ipam`.
    Ipam,
    /// Sets up the loopback interface.
    Loopback,
}

impl Role {
    /// The role as `x-cni` has it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Chained => "chained",
            Self::Ipam => "ipam",
            Self::Loopback => "loopback",
        }
    }
}

/// Compares the schema of a plugin with its file, or writes it.
#[track_caller]
pub fn assert_current<P: Plugin<Config: JsonSchema>>(role: Role) {
    let versions: Vec<&str> = P::VERSIONS.iter().map(|version| version.as_str()).collect();
    let schema = network::schema(P::NAME, role, &versions, types::schema::<P::Config>());
    compare(P::NAME, &schema);
}

#[track_caller]
fn compare(name: &str, schema: &Value) {
    let path = folder().join(format!("{name}.schema.json"));
    let text = format!("{schema:#}\n");
    if env::var(VARIABLE).is_ok_and(|word| word == "write") {
        fs::write(&path, text).expect("conf/schema is writable");
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "{} is not what the types say: run `make schema`",
        path.display()
    );
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn folder() -> PathBuf {
    root().join("conf/schema")
}
