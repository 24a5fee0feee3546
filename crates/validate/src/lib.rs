//! Checks network configurations without a node: against the schemas of the plugins (`conf/schema`,
//! embedded), by the rules of runtimes, and networks against each other.
//!
//! A [`Finding`] is an error if a runtime or a plugin would refuse the configuration, or if a key
//! looks like a misspelt one; plugins ignore unknown keys, so nothing else tells. Otherwise it is a
//! warning. Plugins of other suites are checked as far as the specification goes.
//!
//! ```
//! use ferrule_validate::{Form, check};
//!
//! let text = br#"{ "cniVersion": "1.0.0", "name": "net",
//!     "plugins": [{ "type": "bridge", "isGatway": true }] }"#;
//! let [finding] = &check(text, Form::List).findings[..] else { panic!() };
//! assert_eq!(finding.path, "plugins[0].isGatway");
//! assert_eq!(finding.suggestion.as_deref(), Some("isGateway"));
//! assert_eq!(finding.line, 2);
//! ```

mod document;
mod format;
mod ipam;
mod list;
mod nearest;
mod network;
mod ranges;
mod schemas;
mod together;
mod walk;

use std::collections::BTreeSet;

use cni_types::json::JsonValue;
use libcni::config::{NetworkList, PluginConfig};

use document::{Document, Place};

pub use nearest::nearest;
pub use schemas::plugins;
pub use together::{Named, check_together};

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A runtime or plugin refuses it, or it does not mean what was written.
    Error,
    /// It works, or may work, though not as somebody may expect.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What is wrong at a place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How serious it is.
    pub severity: Severity,
    /// The line, from 1 on.
    pub line: usize,
    /// The column in bytes, from 1 on.
    pub column: usize,
    /// The key, as `plugins[0].ipam.type`; empty for the whole file.
    pub path: String,
    /// A sentence, lower case, without the path.
    pub message: String,
    /// What is probably meant, for a misspelt key, value or plugin.
    pub suggestion: Option<String>,
    /// Whether it is about a key that nobody reads.
    pub is_unknown_key: bool,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A list of plugins, `*.conflist`.
    List,
    /// One plugin, `*.conf` or `*.json`.
    Plugin,
}

/// A plugin that a configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The name of the executable.
    pub kind: String,
    /// Where it is named; of a severity that the caller chooses.
    pub place: Finding,
}

/// What a file says, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The network's name; empty if it has none.
    pub name: String,
    /// What is wrong, in the order of the file.
    pub findings: Vec<Finding>,
    /// The plugins that it names, each once, address plugins included.
    pub references: Vec<Reference>,
    /// The networks whose addresses `host-local` hands out.
    subnets: Vec<ranges::Subnet>,
}

/// Checks the content of one file. Any content is fine, as far as panics are concerned.
pub fn check(bytes: &[u8], form: Form) -> Report {
    let mut report = Report::default();
    // What a runtime accepts at all: its texts are those of the runtime side.
    if let Err(error) = JsonValue::read(bytes) {
        let place = Place {
            line: error.line().max(1),
            column: error.column().max(1),
        };
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or_default();
        report
            .findings
            .push(place.error("", format!("no valid JSON: {text}")));
        return report;
    }
    let text = String::from_utf8_lossy(bytes);
    let document = match Document::read(&text) {
        Ok(document) => document,
        Err(finding) => {
            report.findings.push(finding);
            return report;
        }
    };
    network::check(&document, form, &mut report);
    let mut seen = BTreeSet::new();
    report
        .references
        .retain(|reference| seen.insert(reference.kind.clone()));
    if !report
        .findings
        .iter()
        .any(|finding| finding.severity == Severity::Error)
        && let Err(error) = read_as_runtime(bytes, form)
    {
        report
            .findings
            .push(Place { line: 1, column: 1 }.error("", error.to_string()));
    }
    report
        .findings
        .sort_by_key(|finding| (finding.line, finding.column));
    report
}

fn read_as_runtime(bytes: &[u8], form: Form) -> Result<(), libcni::config::ConfigError> {
    match form {
        Form::List => NetworkList::from_bytes(bytes).map(|_| ()),
        Form::Plugin => {
            let plugin = PluginConfig::from_bytes(bytes)?;
            NetworkList::from_plugin(&plugin).map(|_| ())
        }
    }
}
