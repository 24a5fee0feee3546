//! The commands.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;

use ferrule_validate::nearest;
use libcni::config::{ConfigError, ConfigFolder, NetworkList, PluginConfig};
use libcni::exec::{ExecError, find_plugin};
use libcni::{AddResult, FailedAdd, Parameters, Runtime};
use nix::unistd::geteuid;

use crate::arguments::{Arguments, Verb};
use crate::container;
use crate::environment::{Environment, PLUGIN_FOLDER};
use crate::error::CommandError;
use crate::{gc, summary, tell, validate, versions};

/// Runs the command and returns its standard output.
pub(crate) fn run(
    arguments: &Arguments,
    environment: &Environment,
) -> Result<String, CommandError> {
    let network = load(arguments, environment)?;
    let parameters = parameters(arguments, environment)?;
    if environment.plugin_path.is_empty() {
        return Err(CommandError::new(format!(
            "no paths provided: CNI_PATH is not set and there is no {PLUGIN_FOLDER}; set it to the folders of the plugins"
        )));
    }
    let task = Task {
        arguments,
        runtime: Runtime::new(&environment.plugin_path),
        network,
        parameters,
    };
    let done = |result: Result<(), libcni::RuntimeError>| {
        result.map(|()| String::new()).map_err(CommandError::from)
    };
    let outcome = match arguments.verb {
        Verb::Add => task.add(),
        Verb::Check => task.check(),
        Verb::Del => done(task.runtime.del(&task.network, &task.parameters)),
        Verb::Gc => gc::run(&task.runtime, &task.network, arguments),
        Verb::Status => done(task.runtime.status(&task.network)),
        Verb::Version => versions::text(&task.runtime, &task.network, arguments.json),
    };
    outcome.map_err(|error| mention_privileges(task.suggest_plugins(error)))
}

/// Some errors of the kernel and of files only mean that the caller is not root.
fn mention_privileges(failure: CommandError) -> CommandError {
    let text = failure.sentence.to_lowercase();
    let is_refused = ["permission denied", "operation not permitted"]
        .iter()
        .any(|cause| text.contains(cause));
    if geteuid().is_root() || !is_refused || text.contains("run as root") {
        return failure;
    }
    failure.note("run as root: plugins need CAP_SYS_ADMIN and CAP_NET_ADMIN")
}

/// Finds the network; reports skipped files.
fn load(arguments: &Arguments, environment: &Environment) -> Result<NetworkList, CommandError> {
    let folder = ConfigFolder::new(&environment.config_folder);
    let found = folder.network(&arguments.network).map_err(|error| {
        let failure = CommandError::new(error.to_string());
        match (error, folder.names()) {
            (ConfigError::NotFound { .. }, Ok(names)) if !names.is_empty() => {
                let names: Vec<String> = names.into_iter().collect();
                failure.note(format!("the networks there are: {}", names.join(", ")))
            }
            (ConfigError::NotFound { .. } | ConfigError::NoneFound(_), _) => {
                failure.note("the variable NETCONFPATH names the folder of configurations")
            }
            _ => failure,
        }
    })?;
    for error in found.skipped {
        tell(&format!(
            "cnitool {}: skipped {error}\n",
            arguments.verb.word()
        ));
    }
    for sentence in validate::misspelt_keys(&found.network) {
        let verb = arguments.verb.word();
        tell(&format!("cnitool {verb}: warning: {sentence}\n"));
    }
    Ok(found.network)
}

fn parameters(
    arguments: &Arguments,
    environment: &Environment,
) -> Result<Parameters, CommandError> {
    let capability_args = environment.capability_args()?;
    let args = environment.args()?;
    let ifname = arguments
        .ifname
        .as_ref()
        .unwrap_or(&environment.ifname)
        .clone();
    let netns = match &arguments.netns {
        Some(path) => container::absolute(path)?,
        None => String::new(),
    };
    Ok(Parameters {
        container_id: container::id(&netns),
        netns,
        ifname,
        args,
        capability_args,
    })
}

/// The context of a command.
struct Task<'a> {
    arguments: &'a Arguments,
    runtime: Runtime,
    network: NetworkList,
    parameters: Parameters,
}

impl Task<'_> {
    fn add(&self) -> Result<String, CommandError> {
        self.find_plugins()?;
        let attached_before = self.is_remembered();
        match self.runtime.add(&self.network, &self.parameters) {
            Ok(result) => self.show(&result),
            Err(failed) => {
                let failure = CommandError::from(&*failed.error);
                let failure = match self.undo(&failed, attached_before) {
                    Some(note) => failure.note(note),
                    None => failure,
                };
                Err(self.mention_missing_namespace(failure))
            }
        }
    }

    fn check(&self) -> Result<String, CommandError> {
        let checked = self.runtime.check(&self.network, &self.parameters);
        checked.map(|()| String::new()).map_err(|error| {
            let mut failure = CommandError::from(error);
            if geteuid().is_root() && !self.is_remembered() {
                failure = failure.note(format!(
                    "nothing is remembered of {}: was it made by cnitool add?",
                    self.attachment()
                ));
            }
            self.mention_missing_namespace(failure)
        })
    }

    /// Tables on a terminal, otherwise JSON as plugins print it.
    fn show(&self, result: &AddResult) -> Result<String, CommandError> {
        let terminal = io::stdout().is_terminal();
        if terminal && !self.arguments.json {
            return Ok(summary::text(&result.result));
        }
        let json = result.to_json();
        let json = json.map_err(|error| CommandError::new(error.to_string()))?;
        Ok(if terminal { json + "\n" } else { json })
    }

    /// Undoes a failed ADD; the sentence reports the outcome.
    fn undo(&self, failed: &FailedAdd, attached_before: bool) -> Option<String> {
        if failed.started == 0 {
            return None;
        }
        let Parameters { netns, ifname, .. } = &self.parameters;
        let hint = format!(
            "cnitool del {} {netns} -i {ifname} takes it away",
            self.network.name()
        );
        Some(if attached_before {
            format!(
                "{} had been attached before and was left alone; {hint}",
                self.attachment()
            )
        } else if !self.arguments.undo {
            format!("what the plugins have done is left as it is; {hint}")
        } else {
            // The plugin that failed may not have cleaned up: it gets a DEL even if it is the first.
            let undone = self
                .runtime
                .undo_add(&self.network, &self.parameters, failed);
            let has_effects = failed.result.is_some();
            match undone {
                Ok(()) if has_effects => "what the plugins had done was taken back".to_owned(),
                Ok(()) => return None,
                // Without privileges DEL fails for the reason for which ADD has failed.
                Err(_) if !has_effects && !geteuid().is_root() => return None,
                Err(error) => {
                    let why = CommandError::from(error).sentence.replace('\n', "; ");
                    if why == CommandError::from(&*failed.error).sentence {
                        return None;
                    }
                    format!("what the plugins had done could not be taken back: {why}")
                }
            }
        })
    }

    /// Fails if an executable is missing, before any plugin has run.
    fn find_plugins(&self) -> Result<(), CommandError> {
        let kinds = self.network.plugins().iter().map(PluginConfig::kind);
        for kind in kinds {
            find_plugin(kind, self.runtime.path())
                .map_err(|error| CommandError::new(format!("plugin {kind} failed: {error}")))?;
        }
        Ok(())
    }

    /// Adds what the plugins that are not found were probably meant to be.
    fn suggest_plugins(&self, mut failure: CommandError) -> CommandError {
        let path = self.runtime.path();
        for kind in versions::kinds(&self.network) {
            if let Err(ExecError::NotFound { path: folders, .. }) = find_plugin(kind, path)
                && let Some(name) = nearest(kind, executables(&folders))
            {
                failure = failure.note(format!("there is no plugin {kind}; did you mean {name}?"));
            }
        }
        failure
    }

    fn attachment(&self) -> String {
        format!(
            "interface {} of {}",
            self.parameters.ifname, self.parameters.netns
        )
    }

    fn is_remembered(&self) -> bool {
        let cache = self.runtime.cache();
        let known = cache.load(self.network.name(), &self.parameters.attachment());
        matches!(known, Ok(Some(_)))
    }

    /// A wrong path is the most frequent mistake, and plugins report it in many ways.
    fn mention_missing_namespace(&self, failure: CommandError) -> CommandError {
        let netns = Path::new(&self.parameters.netns);
        if netns.exists() {
            return failure;
        }
        let written = self.arguments.netns.as_deref().unwrap_or_default();
        let hint = container::mounted(written)
            .map(|named| format!("; did you mean {}?", named.display()))
            .unwrap_or_default();
        failure.note(format!("there is no {}{hint}", netns.display()))
    }
}

/// The names of the files in the folders; a folder that cannot be read has none.
fn executables(folders: &[String]) -> Vec<String> {
    let files = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok());
    let names = files.flatten().flatten().map(|file| file.file_name());
    names.filter_map(|name| name.into_string().ok()).collect()
}
