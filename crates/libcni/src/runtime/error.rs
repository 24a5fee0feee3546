//! Errors of the verbs.

use cni_types::{Attachment, Code, Command, Error, ResultError, VersionError};

use crate::cache::CacheError;

/// A failed operation on a network.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A plugin failed, or could not be run.
    #[error("plugin type={kind:?}{} failed ({}): {error}", named(.name), word(*.verb))]
    Plugin {
        /// The verb.
        verb: Command,
        /// The plugin.
        kind: String,
        /// The `name` in the plugin's own configuration; normally empty.
        name: String,
        /// Its error, or why it could not be run.
        error: Error,
    },
    /// CHECK needs 0.4.0.
    #[error("configuration version {version:?} does not support the CHECK command")]
    NoCheck {
        /// The configuration's version.
        version: String,
    },
    /// The configuration's version is not one.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The network has no plugins.
    #[error("no plugin configs found")]
    NoPlugins,
    /// The cached result cannot be read.
    #[error("failed to get network {network:?} cached result: {error}")]
    CachedResult {
        /// The network.
        network: String,
        /// Why not.
        error: CacheError,
    },
    /// The cached result cannot be expressed in the configuration's version.
    #[error(
        "failed to get network {network:?} cached result: failed to convert cached result to config version {version:?}: {error}"
    )]
    Convert {
        /// The network.
        network: String,
        /// The configuration's version.
        version: String,
        /// Why not.
        error: ResultError,
    },
    /// ADD succeeded, but its result could not be cached.
    #[error("failed to set network {network:?} cached result: {error}")]
    Store {
        /// The network.
        network: String,
        /// Why not.
        error: CacheError,
    },
    /// The cached attachments cannot be listed.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// GC could not remove an attachment that is not valid any more.
    #[error("failed to delete stale attachment {} {}: {error}", .attachment.container_id, .attachment.ifname)]
    Stale {
        /// The attachment.
        attachment: Attachment,
        /// Why not.
        error: Box<RuntimeError>,
    },
    /// A plugin does not speak the configuration's version.
    #[error("plugin {kind} does not support config version {version:?}")]
    Unsupported {
        /// The plugin.
        kind: String,
        /// The configuration's version.
        version: String,
    },
    /// Several errors; never empty.
    #[error("{}", lines(.0))]
    Several(Vec<RuntimeError>),
}

impl RuntimeError {
    /// The plugin's own code, or 999 for failures outside plugins.
    pub fn code(&self) -> u32 {
        match self {
            Self::Plugin { error, .. } => error.code,
            Self::Stale { error, .. } => error.code(),
            Self::Several(errors) => errors.first().map_or(Code::Internal as u32, Self::code),
            _ => Code::Internal as u32,
        }
    }

    /// Success if there are no errors, the only one, or all of them as one.
    pub(super) fn join(mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.pop() {
            None => Ok(()),
            Some(only) if errors.is_empty() => Err(only),
            Some(last) => {
                errors.push(last);
                Err(Self::Several(errors))
            }
        }
    }
}

fn named(name: &str) -> String {
    if name.is_empty() {
        return String::new();
    }
    format!(" name={name:?}")
}

/// The verb as in messages of the Go library.
fn word(verb: Command) -> String {
    match verb {
        Command::Del => "delete".to_owned(),
        other => other.as_str().to_lowercase(),
    }
}

fn lines(errors: &[RuntimeError]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("\n")
}
