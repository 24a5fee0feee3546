//! Preparing and starting one run of a plugin.

use std::ffi::{OsStr, OsString};
use std::io::{self, PipeReader};
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::input::Input;
use super::{ExecError, Output, Running};

/// Waits before starting again an executable that is being written, in milliseconds.
///
/// Somebody who replaces the file in place needs milliseconds; 1.4 s in all are generous.
const BUSY_WAITS: [u64; 5] = [10, 30, 100, 300, 1000];

/// The variable that tells a plugin which process to die with.
pub const PARENT_VARIABLE: &str = "FERRULE_PARENT";

/// One run of an executable, not yet started: its environment and standard input.
#[derive(Clone, Debug)]
pub struct Invocation {
    executable: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, Option<OsString>)>,
    stdin: Vec<u8>,
    limit: Option<Duration>,
    dies_with_parent: bool,
}

impl Invocation {
    /// A run with this process's environment, an empty standard input and no time limit.
    pub fn new(executable: PathBuf) -> Self {
        Self {
            executable,
            arguments: Vec::new(),
            environment: Vec::new(),
            stdin: Vec::new(),
            limit: None,
            dies_with_parent: false,
        }
    }

    /// Sets the arguments, for what an executable does besides being a plugin.
    #[must_use]
    pub fn arguments<W: Into<OsString>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.arguments = words.into_iter().map(Into::into).collect();
        self
    }

    /// Sets a variable, replacing the inherited or earlier value.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let value = Some(value.as_ref().to_owned());
        self.environment.push((key.as_ref().to_owned(), value));
        self
    }

    /// Takes a variable out of the environment.
    #[must_use]
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.environment.push((key.as_ref().to_owned(), None));
        self
    }

    /// What the plugin reads, normally its configuration.
    #[must_use]
    pub fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = bytes;
        self
    }

    /// Kills the plugin if it has not ended this long after its start.
    #[must_use]
    pub fn time_limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = limit;
        self
    }

    /// Asks the plugin, if it is one of this project, to end when this process does.
    #[must_use]
    pub fn die_with_parent(mut self) -> Self {
        self.dies_with_parent = true;
        self
    }

    /// Starts the plugin, with as much of its input as a pipe takes.
    ///
    /// An executable that is just being replaced ("text file busy") is tried again for 1.4 seconds.
    pub fn start(self) -> Result<Running, ExecError> {
        let deadline = self
            .limit
            .and_then(|limit| Some((Instant::now().checked_add(limit)?, limit)));
        let (child, input) = self.spawn().map_err(|source| ExecError::Start {
            executable: self.executable.clone(),
            source,
        })?;
        Running::new(child, input, self.executable, deadline)
    }

    /// Runs the plugin to its end.
    pub fn run(self) -> Result<Output, ExecError> {
        self.start()?.finish()
    }

    fn spawn(&self) -> io::Result<(Child, Input)> {
        let mut waits = BUSY_WAITS.iter();
        loop {
            let (stdin, input) = Input::new(&self.stdin)?;
            let started = self.command(stdin).spawn();
            let busy = started
                .as_ref()
                .is_err_and(|error| error.kind() == io::ErrorKind::ExecutableFileBusy);
            match waits.next().filter(|_| busy) {
                Some(wait) => thread::sleep(Duration::from_millis(*wait)),
                None => return Ok((started?, input)),
            }
        }
    }

    fn command(&self, stdin: PipeReader) -> Command {
        let mut command = Command::new(&self.executable);
        command.args(&self.arguments);
        for (key, value) in &self.environment {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        // An inherited value names a process that is not the plugin's parent.
        if self.dies_with_parent {
            command.env(PARENT_VARIABLE, process::id().to_string());
        } else {
            command.env_remove(PARENT_VARIABLE);
        }
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}
