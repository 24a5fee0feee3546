//! Exit status and output of a process, with assertions about them.

use std::fmt::{self, Write as _};
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;

/// A process that has ended: its status and output.
///
/// Assertions panic with command, status and output, and return the outcome so that they can be
/// chained: `outcome.fails_with_code(7).mentions("vlan")`.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The command line with its variables, for failure messages.
    pub command: String,
    /// The exit status.
    pub status: ExitStatus,
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error, invalid UTF-8 replaced.
    pub stderr: String,
    /// Wall-clock time from start to end.
    pub elapsed: Duration,
}

/// The error object a plugin prints when it fails (CNI specification, section "Error").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CniError {
    /// The numeric code.
    pub code: u64,
    /// The short message.
    pub msg: String,
    /// The details; empty if the plugin printed none.
    pub details: String,
}

#[expect(
    clippy::return_self_not_must_use,
    reason = "they are called for the assertion"
)]
impl Outcome {
    /// Asserts exit status 0.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert!(self.status.success(), "expected success of {self}");
        self
    }

    /// Asserts an exit status other than 0, not a signal.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(
            self.status.code().is_some_and(|code| code != 0),
            "expected failure of {self}"
        );
        self
    }

    /// Asserts a failure with a CNI error object of this code.
    #[track_caller]
    pub fn fails_with_code(self, code: u64) -> Self {
        let outcome = self.fails();
        let found = outcome.error().code;
        assert_eq!(found, code, "expected error code {code} from {outcome}");
        outcome
    }

    /// Asserts that the error's message or details contain this text.
    #[track_caller]
    pub fn mentions(self, text: &str) -> Self {
        let error = self.error();
        assert!(
            error.msg.contains(text) || error.details.contains(text),
            "expected an error that mentions {text:?} from {self}"
        );
        self
    }

    /// Asserts that standard output is exactly this.
    #[track_caller]
    pub fn stdout_is(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "unexpected standard output of {self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("expected JSON ({error}) from {self}"),
        }
    }

    /// Standard output as a CNI error object: an object with a numeric `code` and a `msg`.
    #[track_caller]
    pub fn error(&self) -> CniError {
        let object = self.json();
        let (Some(code), Some(msg)) = (object["code"].as_u64(), object["msg"].as_str()) else {
            panic!("expected an error object from {self}");
        };
        let details = object["details"].as_str().unwrap_or_default().to_owned();
        CniError {
            code,
            msg: msg.to_owned(),
            details,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "`{}`: {}, {:?}",
            self.command, self.status, self.elapsed
        )?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(out, "--- {name}\n{}", text.trim_end())?;
            }
        }
        out.write_char('\n')
    }
}
