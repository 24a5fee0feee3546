//! The whole state of a host as comparable lines of text.

mod machine;
mod network;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::host::Host;
use crate::namespace::Namespace;

/// Everything a plugin could have left behind, one fact per line, sorted, without what changes
/// by itself (counters, indices, timers, carrier, link-local IPv6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    lines: Vec<String>,
}

impl Snapshot {
    fn new(mut lines: Vec<String>) -> Self {
        lines.sort();
        Self { lines }
    }

    /// The same without every line that names one of these: a link (`cni0`), a chain or table, or
    /// a path, which stands for everything under it too. Whole words are compared.
    #[must_use]
    pub fn ignoring(mut self, names: &[&str]) -> Self {
        self.lines
            .retain(|line| !names.iter().any(|name| concerns(line, name)));
        self
    }

    /// Whether some line contains this text.
    pub fn contains(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line.contains(text))
    }

    /// The lines that differ, `-` for those only here and `+` for those only in `later`; empty
    /// when both tell the same.
    pub fn difference(&self, later: &Self) -> String {
        let mut counts = BTreeMap::<&str, i32>::new();
        for line in &self.lines {
            *counts.entry(line).or_default() -= 1;
        }
        for line in &later.lines {
            *counts.entry(line).or_default() += 1;
        }
        let mut text = String::new();
        for (line, count) in counts {
            let sign = if count < 0 { '-' } else { '+' };
            for _ in 0..count.abs() {
                let _ = writeln!(text, "{sign} {line}");
            }
        }
        text
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines
            .iter()
            .try_for_each(|line| writeln!(out, "{line}"))
    }
}

/// Two snapshots must tell the same.
///
/// # Panics
/// When they differ, with the lines that do.
#[track_caller]
pub fn assert_same(before: &Snapshot, after: &Snapshot) {
    let difference = before.difference(after);
    assert!(
        difference.is_empty(),
        "the host changed (- before, + after):\n{difference}"
    );
}

impl Namespace {
    /// The network state of this namespace alone.
    pub fn network_snapshot(&self) -> Snapshot {
        Snapshot::new(network::lines(self))
    }
}

impl Host {
    /// The state of the whole host: network, packet filter, files of plugins, namespaces and
    /// processes left running.
    pub fn snapshot(&self) -> Snapshot {
        let mut lines = network::lines(self);
        lines.extend(machine::files());
        lines.extend(machine::processes());
        Snapshot::new(lines)
    }
}

fn concerns(line: &str, name: &str) -> bool {
    let is_separator = |letter: char| !(letter.is_alphanumeric() || "_-./:".contains(letter));
    line.split(is_separator).any(|word| {
        let word = word.trim_end_matches(':');
        let below = word
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('/'));
        word == name || (name.starts_with('/') && below)
    })
}
