//! One iptables tool and its operations.

use std::path::{Path, PathBuf};

use super::error::IptablesError;
use super::find::{self, Variant};
use super::native;
use super::restore::Restore;
use super::rule::{Entry, ListedRule, Rule};
use super::run::{self, Output, WAIT_SECONDS, Wait};
use crate::nft::{self, Nft, Table};
use crate::retry;
use ferrule_kernel::Family;

/// What the nft and the legacy variant print for a target that does not exist.
const NO_SUCH_TARGET: [&str; 2] = ["does not exist", "Couldn't load target"];

/// The tools for one version of the Internet Protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    family: Family,
    /// `iptables`
    command: PathBuf,
    /// `iptables-restore`
    restore: PathBuf,
    variant: Variant,
    wait: u32,
}

impl Tool {
    /// The node's default: `iptables` or `ip6tables` from PATH or the usual directories.
    pub fn find(family: Family) -> Result<Self, IptablesError> {
        Self::named(family, "")
    }

    /// The node's default, and the tool of the other variant if installed; empty without any.
    pub fn installed(family: Family) -> Vec<Self> {
        let mut tools: Vec<Self> = Vec::new();
        for suffix in ["", "-nft", "-legacy"] {
            if let Ok(tool) = Self::named(family, suffix)
                && tools.iter().all(|known| known.variant != tool.variant)
            {
                tools.push(tool);
            }
        }
        tools
    }

    /// Runs `work` with every installed tool of both families, even if one fails; returns the tools
    /// that failed with their errors. All tools wait for one lock: once one has waited for it in
    /// vain, the others wait no longer than a second.
    pub fn for_each_installed(
        mut work: impl FnMut(&Self) -> Result<(), IptablesError>,
    ) -> Vec<(Self, IptablesError)> {
        let mut failures: Vec<(Self, IptablesError)> = Vec::new();
        for family in [Family::V4, Family::V6] {
            for tool in Self::installed(family) {
                let locked = failures.iter().any(|(_, error)| error.is_undecided());
                let tool = if locked { tool.waiting(1) } else { tool };
                if let Err(error) = work(&tool) {
                    failures.push((tool, error));
                }
            }
        }
        failures
    }

    fn named(family: Family, suffix: &str) -> Result<Self, IptablesError> {
        let base = match family {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        };
        let find = |tool: String| find::executable(&tool).ok_or(IptablesError::NotFound { tool });
        let command = find(format!("{base}{suffix}"))?;
        Ok(Self {
            family,
            restore: find(format!("{base}{suffix}-restore"))?,
            variant: find::variant(&command),
            command,
            wait: WAIT_SECONDS,
        })
    }

    /// Waits for the lock for this time instead of 30 seconds.
    #[must_use]
    pub fn waiting(self, seconds: u32) -> Self {
        Self {
            wait: seconds,
            ..self
        }
    }

    /// The IP version it is for.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Where it writes its rules.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// Whether the tool works, by listing the first rule of a chain that every node has. Starts a
    /// process, which does not wait for the lock. A timeout, on an overloaded machine, is no error:
    /// it says nothing about the tool.
    pub fn probe(&self) -> Result<(), IptablesError> {
        let arguments = ["-t", "filter", "-S", "INPUT", "1"];
        match run::run(&self.command, &arguments, None, Wait::Not) {
            Ok(output) if matches!(output.code, Some(0 | 1)) => Ok(()),
            Ok(output) => Err(self.refused(&arguments, output)),
            Err(error) if error.is_undecided() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Plans changes and writes them. If somebody else changes in between what the plan is about,
    /// it is planned anew; see [`crate`] for the bound.
    pub fn update<T, E: From<IptablesError>>(
        &self,
        plan: impl FnMut(&mut Restore) -> Result<T, E>,
    ) -> Result<T, E> {
        let restore = |changes: &Restore| self.restore(changes);
        retry::until_written(plan, restore, IptablesError::is_overtaken)
    }

    /// Writes changes: one process.
    pub fn restore(&self, changes: &Restore) -> Result<(), IptablesError> {
        if changes.is_empty() {
            return Ok(());
        }
        let text = changes.text()?;
        let arguments = ["--noflush"];
        let output = run::run(
            &self.restore,
            &arguments,
            Some(&text),
            Wait::Seconds(self.wait),
        )?;
        if output.code == Some(0) {
            return Ok(());
        }
        Err(IptablesError::Refused {
            command: run::command_line(&self.restore, &arguments),
            code: output.code,
            line: failed_line(&output.stderr, &text),
            text: output.stderr,
        })
    }

    /// The rules of a chain, in order; `None` if the chain does not exist. Starts a process.
    pub fn rules(
        &self,
        table: &str,
        chain: &str,
    ) -> Result<Option<Vec<ListedRule>>, IptablesError> {
        let arguments = ["-t", table, "-S", chain];
        let output = self.ask(&arguments)?;
        match output.code {
            Some(0) => Ok(Some(output.rules().collect())),
            // The nft variant exits with 1 also for a chain it cannot print.
            Some(1) if !self.is_in_kernel(table, chain)? => Ok(None),
            _ => Err(self.refused(&arguments, output)),
        }
    }

    /// All rules of a table, chain by chain. Starts a process.
    pub fn rules_of_table(&self, table: &str) -> Result<Vec<ListedRule>, IptablesError> {
        let arguments = ["-t", table, "-S"];
        let output = self.ask(&arguments)?;
        match output.code {
            Some(0) => Ok(output.rules().collect()),
            _ => Err(self.refused(&arguments, output)),
        }
    }

    /// Whether a rule is in a chain. Starts a process.
    pub fn has_rule(&self, table: &str, chain: &str, rule: &Rule) -> Result<bool, IptablesError> {
        let mut arguments = vec!["-t", table, "-C", chain];
        arguments.extend(rule.as_words().iter().map(String::as_str));
        let output = self.ask(&arguments)?;
        match output.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            // The rule jumps to a chain that does not exist.
            Some(2)
                if NO_SUCH_TARGET
                    .iter()
                    .any(|text| output.stderr.contains(text)) =>
            {
                Ok(false)
            }
            _ => Err(self.refused(&arguments, output)),
        }
    }

    /// Whether a chain exists. Starts a process only where the kernel cannot be asked.
    pub fn has_chain(&self, table: &str, chain: &str) -> Result<bool, IptablesError> {
        if self.variant == Variant::Nft {
            return self.is_in_kernel(table, chain);
        }
        if self.variant == Variant::Legacy && !self.has_legacy_table(table) {
            return Ok(false);
        }
        let arguments = ["-t", table, "-S", chain, "1"];
        let output = self.ask(&arguments)?;
        match output.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(self.refused(&arguments, output)),
        }
    }

    /// Deletes a chain with its rules, and those rules of the chain `entries` that jump to it;
    /// `false` if it does not exist. Starts a process only for the legacy variant. A rule elsewhere
    /// that jumps to it is an error, and nothing is deleted.
    pub fn delete_chain(
        &self,
        table: &str,
        chain: &str,
        entries: &str,
    ) -> Result<bool, IptablesError> {
        if self.variant == Variant::Nft {
            let table = self.nft_table(table);
            return Ok(native::delete_chain(
                table.chain(chain),
                table.chain(entries),
            )?);
        }
        self.update(|changes| {
            if !self.has_chain(table, chain)? {
                return Ok(false);
            }
            let lines = changes.table(table);
            for rule in self.rules(table, entries)?.unwrap_or_default() {
                if rule.target() == Some(chain) {
                    lines.delete_listed(&rule);
                }
            }
            lines.flush(chain).delete_chain(chain);
            Ok(true)
        })
    }

    /// The comments on the rules of a chain, in order. Starts a process only for the legacy
    /// variant.
    pub fn comments(&self, table: &str, chain: &str) -> Result<Vec<String>, IptablesError> {
        if self.variant == Variant::Nft {
            return Ok(native::comments(self.nft_table(table).chain(chain))?);
        }
        let rules = self.rules(table, chain)?.unwrap_or_default();
        let comments = rules.iter().filter_map(ListedRule::comment);
        Ok(comments.map(str::to_owned).collect())
    }

    /// The rules of a chain, in order, by the chains they jump to. Starts a process only for the
    /// legacy variant.
    pub fn entries(&self, table: &str, chain: &str) -> Result<Vec<Entry>, IptablesError> {
        if self.variant == Variant::Nft {
            return Ok(native::entries(self.nft_table(table).chain(chain))?);
        }
        let rules = self.rules(table, chain)?.unwrap_or_default();
        Ok(rules.iter().map(Entry::from).collect())
    }

    /// `false` if a table is certainly empty. Never starts a process.
    pub fn may_hold_rules(&self, table: &str) -> Result<bool, IptablesError> {
        match self.variant {
            Variant::Nft => match Nft::open_if_supported()? {
                Some(nft) => Ok(nft.has_table(self.nft_table(table))?),
                None => Ok(false),
            },
            Variant::Legacy => Ok(self.has_legacy_table(table)),
            Variant::Unknown => Ok(true),
        }
    }

    /// Whether `nf_tables` has the chain, for the variant that writes there.
    fn is_in_kernel(&self, table: &str, chain: &str) -> Result<bool, IptablesError> {
        if self.variant != Variant::Nft {
            return Ok(false);
        }
        let chain = self.nft_table(table).chain(chain);
        match Nft::open_if_supported()? {
            Some(nft) => Ok(nft.chain(chain)?.is_some()),
            None => Ok(false),
        }
    }

    fn nft_table<'a>(&self, name: &'a str) -> Table<'a> {
        Table::new(nft::Family::of(self.family), name)
    }

    /// Whether the legacy table is in use in the thread's namespace.
    fn has_legacy_table(&self, table: &str) -> bool {
        let names = match self.family {
            Family::V4 => "/proc/thread-self/net/ip_tables_names",
            Family::V6 => "/proc/thread-self/net/ip6_tables_names",
        };
        // Without the file the kernel has no such tables at all.
        let names = ferrule_file::read_text(Path::new(names)).unwrap_or_default();
        names.lines().any(|name| name == table)
    }

    fn ask(&self, arguments: &[&str]) -> Result<Output, IptablesError> {
        run::run(&self.command, arguments, None, Wait::Seconds(self.wait))
    }

    fn refused(&self, arguments: &[&str], output: Output) -> IptablesError {
        IptablesError::Refused {
            command: run::command_line(&self.command, arguments),
            code: output.code,
            line: None,
            text: output.stderr,
        }
    }
}

/// The line of input a message is about: `line 2 failed`, `Error occurred at line: 2`.
fn failed_line(stderr: &str, text: &str) -> Option<String> {
    let (_, behind) = stderr.split_once("line")?;
    let digits = behind.trim_start_matches([':', ' ']);
    let end = digits
        .find(|one: char| !one.is_ascii_digit())
        .unwrap_or(digits.len());
    let number: usize = digits.get(..end)?.parse().ok()?;
    text.lines().nth(number.checked_sub(1)?).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_lead_to_the_line_they_are_about() {
        let text = "*nat\n-F a\n-F b\nCOMMIT\n";
        for (stderr, expected) in [
            (
                "iptables-nft-restore: line 3 failed: Bad rule",
                Some("-F b"),
            ),
            (
                "iptables-restore v1.8.9 (legacy): x; Error occurred at line: 2",
                Some("-F a"),
            ),
            ("iptables-restore: line 9 failed", None),
            ("something else", None),
            ("line 0 failed", None),
        ] {
            assert_eq!(failed_line(stderr, text).as_deref(), expected, "{stderr}");
        }
    }
}
