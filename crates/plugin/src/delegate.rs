//! Running another plugin for a part of the work.

use std::path::{Path, PathBuf};

use cni_types::{CniResult, Code, Command, Error, Request, SpecVersion};
use libcni::exec::{ExecError, Invocation, Output, Running, find_plugin};

/// A plugin that this one starts: found by `CNI_PATH`, with this process's environment.
#[derive(Clone, Debug)]
pub struct Delegate {
    role: &'static str,
    name: String,
    executable: PathBuf,
    netns: PathBuf,
    stdin: Vec<u8>,
    version: SpecVersion,
}

impl Delegate {
    /// Finds the plugin `name`, which will read `stdin`. Errors call it by its `role`.
    pub fn find(
        role: &'static str,
        name: &str,
        request: &Request,
        stdin: Vec<u8>,
    ) -> Result<Self, Error> {
        let delegate = Self {
            role,
            name: name.to_owned(),
            executable: PathBuf::new(),
            netns: request.netns.clone(),
            stdin,
            version: request.version,
        };
        let executable =
            find_plugin(name, &request.path).map_err(|error| delegate.failed(error))?;
        Ok(Self {
            executable,
            ..delegate
        })
    }

    /// Attaches the container. After a failure the delegate may have left something.
    pub fn add(&self) -> Result<CniResult, Error> {
        let outcome = self.start(Command::Add)?.finish();
        self.result(&outcome.map_err(|error| self.failed(error))?)
    }

    /// Runs a verb that has no result.
    pub fn run(&self, command: Command) -> Result<(), Error> {
        self.start(command)?
            .finish()
            .map(drop)
            .map_err(|error| self.failed(error))
    }

    pub(crate) fn executable(&self) -> &Path {
        &self.executable
    }

    pub(crate) fn start(&self, command: Command) -> Result<Running, Error> {
        Invocation::new(self.executable.clone())
            .env(cni_types::env::COMMAND, command.as_str())
            .env(cni_types::env::NETNS, &self.netns)
            .stdin(self.stdin.clone())
            .die_with_parent()
            .start()
            .map_err(|error| self.failed(error))
    }

    /// The result that a successful ADD printed.
    pub(crate) fn result(&self, output: &Output) -> Result<CniResult, Error> {
        let (_, result) = output
            .result(self.version)
            .map_err(|error| self.failed(error))?;
        Ok(result)
    }

    /// The delegate's own error object is reported unchanged, as the specification demands.
    pub(crate) fn failed(&self, error: ExecError) -> Error {
        match error {
            ExecError::Plugin(error) => error,
            other => Error::from(other).context(format_args!("{} {:?}", self.role, self.name)),
        }
    }
}

/// Reports the failure of a delegate's STATUS in a code that the specification has for STATUS, or
/// in one that tells why it could not be asked.
pub fn not_available(mut error: Error) -> Error {
    if !(1..100).contains(&error.code) {
        error.code = Code::NotAvailable as u32;
    }
    error
}
