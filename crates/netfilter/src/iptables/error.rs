//! Errors of the iptables tools.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ferrule_file::lock::held_by;
use ferrule_file::{LockOwner, io_text};
use thiserror::Error;

/// A failed call of an iptables tool.
#[derive(Debug, Error)]
pub enum IptablesError {
    /// The tool is not installed.
    #[error("{tool}: executable file not found in PATH")]
    NotFound {
        /// Its name.
        tool: String,
    },
    /// The tool could not be started, or its pipes failed.
    #[error("cannot run {path:?}: {}", io_text(.source))]
    Run {
        /// The executable.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A rule that would be more than one line of input.
    #[error("line break in iptables rule {line:?}")]
    LineBreak {
        /// The line.
        line: String,
    },
    /// Another process held the lock on the tables all the time.
    #[error("{command}: waited {seconds} s for the xtables lock{}: {text}", held_by(holder.as_ref()))]
    Locked {
        /// The command.
        command: String,
        /// How long was waited.
        seconds: u32,
        /// The process that holds the lock, if known.
        holder: Option<LockOwner>,
        /// The tool's message.
        text: String,
    },
    /// The tool did not exit in time and was killed.
    #[error("{command} has not ended within {limit:?}: killed")]
    TimedOut {
        /// The command.
        command: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The tool failed.
    #[error("{command}: {}{}{text}", exit_text(*code), line_text(line.as_deref()))]
    Refused {
        /// The command.
        command: String,
        /// Its exit code: 1 for a rule or chain that does not exist, 2 for an unknown word, 3 for a
        /// missing table, 4 for a lack of resources; `None` if a signal ended it.
        code: Option<i32>,
        /// The line of input it stopped at.
        line: Option<String>,
        /// The tool's message.
        text: String,
    },
    /// A netlink request that replaces running the tool failed.
    #[error(transparent)]
    Netlink(#[from] ferrule_kernel::NetlinkError),
}

impl IptablesError {
    /// The exit code of the tool.
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Refused { code, .. } => *code,
            _ => None,
        }
    }

    /// Whether a wait timed out, which says nothing about the tool or the rules.
    pub fn is_undecided(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::TimedOut { .. })
    }

    /// Whether a change may have been refused because the chains were no longer as they were
    /// read: the rule or chain to be deleted is gone (1), the chain that a rule jumps to is (2, as for
    /// an unknown word), or the ruleset changed meanwhile (4).
    pub fn is_overtaken(&self) -> bool {
        matches!(self.exit_code(), Some(1 | 2 | 4))
    }
}

fn exit_text(code: Option<i32>) -> String {
    match code {
        Some(code) => format!("exit status {code}: "),
        None => "ended by a signal: ".to_owned(),
    }
}

fn line_text(line: Option<&str>) -> String {
    line.map_or_else(String::new, |line| format!("at \"{line}\": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_command_the_line_and_the_message() {
        let error = IptablesError::Refused {
            command: "iptables-restore".to_owned(),
            code: Some(1),
            line: Some("-D X -j Y".to_owned()),
            text: "iptables-restore: line 2 failed".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            "iptables-restore: exit status 1: at \"-D X -j Y\": iptables-restore: line 2 failed"
        );
        assert_eq!(error.exit_code(), Some(1));
    }

    #[test]
    fn the_owner_of_the_lock_is_named() {
        let error = IptablesError::Locked {
            command: "iptables-restore".to_owned(),
            seconds: 5,
            holder: Some(LockOwner {
                process: 42,
                name: "kube-proxy".to_owned(),
                is_stopped: false,
            }),
            text: "Another app is currently holding the xtables lock.".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            "iptables-restore: waited 5 s for the xtables lock, held by kube-proxy (process 42): \
             Another app is currently holding the xtables lock."
        );
    }
}
