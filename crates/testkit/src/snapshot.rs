//! The state of a host as comparable lines of text.

mod machine;
mod network;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::host::Host;
use crate::namespace::Namespace;

/// All state that plugins can change, as sorted lines, without values that change by themselves
/// (counters, indices, timers, carrier, link-local IPv6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    lines: Vec<String>,
}

impl Snapshot {
    fn new(mut lines: Vec<String>) -> Self {
        lines.sort();
        Self { lines }
    }

    /// The same without the lines that contain one of these words: a link (`cni0`), a chain or table,
    /// or a path, which includes everything below it.
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

    /// The lines that differ, with `-` if they are only here and `+` if only in `later`; empty if both
    /// are equal.
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

/// Asserts that two snapshots are equal.
///
/// # Panics
/// If they differ, with the lines that do.
#[track_caller]
pub fn assert_same(before: &Snapshot, after: &Snapshot) {
    let difference = before.difference(after);
    assert!(
        difference.is_empty(),
        "the host changed (- before, + after):\n{difference}"
    );
}

impl Namespace {
    /// The network state of this namespace only.
    pub fn network_snapshot(&self) -> Snapshot {
        Snapshot::new(network::lines(self))
    }
}

impl Host {
    /// The state of the host: network, packet filter, files of plugins, namespaces and running
    /// processes.
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
