//! Errors of loading a configuration.

use std::io;
use std::path::PathBuf;

use ferrule_file::os_text;

/// A configuration that is missing, unreadable or wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or folder could not be read.
    #[error("error reading {}: {}", .path.display(), os_text(.source))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The content of a file is wrong.
    #[error("{}: {error}", .path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: Box<ConfigError>,
    },
    /// The list is no JSON object, or has a wrong key.
    #[error("error parsing configuration list: {0}")]
    List(String),
    /// A plugin's configuration is no JSON object, or has a wrong key.
    #[error("error parsing configuration: {0}")]
    Plugin(String),
    /// Neither the list nor the folder beside it names a plugin.
    #[error("no plugin configs found")]
    NoPlugins,
    /// The folder holds configurations, but none of that name.
    #[error("no net configuration with name {name:?} in {}{}", .folder.display(), also(.skipped))]
    NotFound {
        /// The network.
        name: String,
        /// The folder searched.
        folder: PathBuf,
        /// The files that could not be read; the network may be in one of them.
        skipped: Vec<ConfigError>,
    },
    /// The folder holds no configuration at all, or there is no folder.
    #[error("no net configurations found in {}", .0.display())]
    NoneFound(PathBuf),
}

impl ConfigError {
    pub(super) fn in_file(self, path: PathBuf) -> Self {
        match self {
            located @ (Self::Read { .. } | Self::InFile { .. }) => located,
            error => Self::InFile {
                path,
                error: Box::new(error),
            },
        }
    }
}

fn also(skipped: &[ConfigError]) -> String {
    let mut texts = vec![String::new()];
    texts.extend(skipped.iter().map(ToString::to_string));
    texts.join("; ")
}
