//! Calls of plugins, as runtimes make them.

use std::borrow::Borrow;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::namespace::Namespace;
use crate::outcome::Outcome;
use crate::process::Running;

/// The search path plugins get for the tools they start.
const TOOL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A call of an executable: a builder that can be run any number of times.
///
/// The environment has `PATH` and what the builder sets, nothing else. Calls come from
/// [`Host::plugin`](crate::Host::plugin), [`Host::peer_plugin`](crate::Host::peer_plugin) and
/// [`Host::cnitool`](crate::Host::cnitool).
#[derive(Debug, Clone)]
pub struct Call {
    namespace: Namespace,
    executable: PathBuf,
    words: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    input: Vec<u8>,
}

impl Call {
    pub(crate) fn plugin(namespace: &Namespace, folder: PathBuf, executable: PathBuf) -> Self {
        Self::tool(namespace, executable, Vec::new()).cni_path(folder)
    }

    pub(crate) fn tool(namespace: &Namespace, executable: PathBuf, words: Vec<OsString>) -> Self {
        let call = Self {
            namespace: namespace.clone(),
            executable,
            words,
            variables: Vec::new(),
            input: Vec::new(),
        };
        call.env("PATH", TOOL_PATH)
    }

    /// One more argument of the executable.
    #[must_use]
    pub fn word(mut self, word: impl Into<OsString>) -> Self {
        self.words.push(word.into());
        self
    }

    /// `CNI_COMMAND`.
    #[must_use]
    pub fn verb(self, verb: &str) -> Self {
        self.env("CNI_COMMAND", verb)
    }

    /// `CNI_CONTAINERID`.
    #[must_use]
    pub fn container(self, id: &str) -> Self {
        self.env("CNI_CONTAINERID", id)
    }

    /// `CNI_NETNS`: a [`Container`](crate::Container), or any path.
    #[must_use]
    pub fn netns(self, path: impl AsRef<Path>) -> Self {
        self.env("CNI_NETNS", path.as_ref())
    }

    /// `CNI_IFNAME`.
    #[must_use]
    pub fn ifname(self, name: &str) -> Self {
        self.env("CNI_IFNAME", name)
    }

    /// `CNI_ARGS`, as in `IgnoreUnknown=1;IP=10.1.2.3`.
    #[must_use]
    pub fn args(self, args: &str) -> Self {
        self.env("CNI_ARGS", args)
    }

    /// `CNI_PATH`, instead of the folder of the executable.
    #[must_use]
    pub fn cni_path(self, path: impl AsRef<OsStr>) -> Self {
        self.env("CNI_PATH", path)
    }

    /// Sets an environment variable, replacing an earlier value.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self = self.without_env(&name);
        self.variables
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Removes an environment variable.
    #[must_use]
    pub fn without_env(mut self, name: impl AsRef<OsStr>) -> Self {
        self.variables.retain(|(known, _)| known != name.as_ref());
        self
    }

    /// The configuration, written to standard input.
    #[must_use]
    pub fn config(self, config: impl Borrow<Value>) -> Self {
        self.stdin(config.borrow().to_string())
    }

    /// Standard input as bytes.
    #[must_use]
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Runs the call to its end.
    #[track_caller]
    pub fn run(&self) -> Outcome {
        self.start().wait()
    }

    /// Starts the call without waiting, for calls that overlap.
    #[track_caller]
    pub fn start(&self) -> Running {
        self.namespace
            .inside(|| Running::start(&mut self.command(), &self.input))
    }

    /// Runs ADD.
    #[track_caller]
    pub fn add(&self) -> Outcome {
        self.clone().verb("ADD").run()
    }

    /// Runs DEL.
    #[track_caller]
    pub fn del(&self) -> Outcome {
        self.clone().verb("DEL").run()
    }

    /// Runs CHECK.
    #[track_caller]
    pub fn check(&self) -> Outcome {
        self.clone().verb("CHECK").run()
    }

    /// Runs GC, without the variables of a container.
    #[track_caller]
    pub fn gc(&self) -> Outcome {
        self.of_network("GC").run()
    }

    /// Runs STATUS, without the variables of a container.
    #[track_caller]
    pub fn status(&self) -> Outcome {
        self.of_network("STATUS").run()
    }

    fn of_network(&self, verb: &str) -> Self {
        let container = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"];
        container
            .iter()
            .fold(self.clone(), Self::without_env)
            .verb(verb)
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub(crate) fn input(&self) -> &[u8] {
        &self.input
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(&self.words);
        command
    }
}
