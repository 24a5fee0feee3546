//! Errors of running a plugin.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use cni_types::{Code, Error, ResultError};

use super::running::describe_exit;
use ferrule_file::os_text;

/// A failed look-up or run of a plugin.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The configuration names no plugin.
    #[error("no plugin name provided")]
    NoName,
    /// A name with a slash: plugins are found in the search path only.
    #[error("invalid plugin name: {0}")]
    InvalidName(String),
    /// The search path (`CNI_PATH`) is empty.
    #[error("no paths provided")]
    NoPath,
    /// No folder of the search path holds the plugin.
    #[error("failed to find plugin {name:?} in path [{}]", .path.join(" "))]
    NotFound {
        /// The plugin looked for.
        name: String,
        /// The folders looked into.
        path: Vec<String>,
    },
    /// The executable could not be started.
    #[error("failed to start plugin {}: {}", .executable.display(), os_text(.source))]
    Start {
        /// The executable.
        executable: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// Reading from or writing to the plugin failed.
    #[error("failed to exchange data with plugin {}: {}", .executable.display(), os_text(.source))]
    Exchange {
        /// The executable.
        executable: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The plugin was killed because its time was up.
    #[error("plugin {} did not finish within {limit:?} and was killed", .executable.display())]
    TimedOut {
        /// The executable.
        executable: PathBuf,
        /// The time it was given.
        limit: Duration,
    },
    /// The plugin failed and printed an error object.
    #[error("{0}")]
    Plugin(Error),
    /// The plugin failed and printed something else.
    #[error("{} and printed {stdout:?}, which is no error object: {error}", describe_exit(*.status))]
    Undecipherable {
        /// How it ended.
        status: ExitStatus,
        /// What it printed.
        stdout: String,
        /// Why it is not an error object.
        error: String,
    },
    /// The plugin failed and wrote only to standard error.
    #[error("{} and only logged {stderr:?}", describe_exit(*.status))]
    OnlyLogged {
        /// The text.
        stderr: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The plugin failed without output.
    #[error("{} without an error message", describe_exit(*.0))]
    Silent(ExitStatus),
    /// The plugin succeeded, but did not print a valid result.
    #[error(transparent)]
    Result(#[from] ResultError),
}

impl From<ExecError> for Error {
    /// The plugin's own error as it is; failures without an error object have code 0, as in the Go
    /// library; failures before the start and wrong results have code 999.
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::Plugin(error) => error,
            ExecError::Start { .. }
            | ExecError::TimedOut { .. }
            | ExecError::Undecipherable { .. }
            | ExecError::OnlyLogged { .. }
            | ExecError::Silent(_) => Self {
                code: 0,
                msg: error.to_string(),
                details: String::new(),
            },
            ExecError::NoName
            | ExecError::InvalidName(_)
            | ExecError::NoPath
            | ExecError::NotFound { .. }
            | ExecError::Exchange { .. }
            | ExecError::Result(_) => Self::new(Code::Internal, error.to_string()),
        }
    }
}
