//! Finds the configuration of a network by its name.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use cni_types::check_network_name;
use cni_types::json::read_value;

use super::{ConfigError, NetworkList, PluginConfig};

/// A folder of configuration files, such as `/etc/cni/net.d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFolder(PathBuf);

/// A network's configuration, and the files that were skipped.
#[derive(Debug)]
pub struct Found {
    /// The configuration.
    pub network: NetworkList,
    /// Files that were skipped because they cannot be read.
    pub skipped: Vec<ConfigError>,
}

impl ConfigFolder {
    /// The folder at `path`, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The files with one of the extensions, sorted; none if there is no folder.
    pub fn files(&self, extensions: &[&str]) -> Result<Vec<PathBuf>, ConfigError> {
        files(&self.0, extensions)
    }

    /// The names of the networks that can be loaded from here, each once.
    pub fn names(&self) -> Result<BTreeSet<String>, ConfigError> {
        let lists = self.files(&["conflist"])?;
        let lists = lists
            .iter()
            .filter_map(|path| NetworkList::from_file(path).ok());
        let singles = self.files(&["conf", "json"])?;
        let singles = singles
            .iter()
            .filter_map(|path| PluginConfig::from_file(path).ok());
        let names = lists.map(|list| list.name);
        let names = names.chain(singles.map(|plugin| plugin.name().to_owned()));
        Ok(names.filter(|name| !name.is_empty()).collect())
    }

    /// The network called `name`: the first `*.conflist` of that name, or else the first `*.conf`
    /// or `*.json`.
    ///
    /// Skips a broken file unless it belongs to this network.
    pub fn network(&self, name: &str) -> Result<Found, ConfigError> {
        let mut skipped = Vec::new();
        let lists = self.files(&["conflist"])?;
        for path in &lists {
            match NetworkList::from_file(path) {
                Ok(network) if network.name == name => return Ok(Found { network, skipped }),
                Ok(_) => {}
                Err(error) if names(path, name) => return Err(error),
                Err(error) => skipped.push(error),
            }
        }
        let singles = self.files(&["conf", "json"])?;
        for path in &singles {
            match PluginConfig::from_file(path) {
                Ok(plugin) if plugin.name() == name => {
                    let network = NetworkList::from_plugin(&plugin)
                        .map_err(|error| error.in_file(path.clone()))?;
                    return Ok(Found { network, skipped });
                }
                Ok(_) => {}
                Err(error) if names(path, name) => return Err(error),
                Err(error) => skipped.push(error),
            }
        }
        if lists.is_empty() && singles.is_empty() {
            return Err(ConfigError::NoneFound(self.0.clone()));
        }
        Err(ConfigError::NotFound {
            name: name.to_owned(),
            folder: self.0.clone(),
            skipped,
        })
    }
}

impl NetworkList {
    /// Reads a configuration list and, unless it disables that, the plugins in the folder of the
    /// network's name beside it.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let in_file = |error: ConfigError| error.in_file(path.to_owned());
        let bytes = ferrule_file::read(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut list = Self::from_bytes(&bytes).map_err(in_file)?;
        // Another name could lead out of the folder.
        if !list.inlined_only && check_network_name(&list.name).is_ok() {
            let beside = path.parent().unwrap_or(Path::new("")).join(&list.name);
            for file in files(&beside, &["conf"])? {
                list.plugins.push(PluginConfig::from_file(&file)?);
            }
        }
        if list.plugins.is_empty() {
            return Err(in_file(ConfigError::NoPlugins));
        }
        Ok(list)
    }
}

fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, ConfigError> {
    let unreadable = |source| ConfigError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        let wanted = |extension: &std::ffi::OsStr| extensions.iter().any(|e| extension == *e);
        let is_folder = entry.file_type().map_err(unreadable)?.is_dir();
        if !is_folder && path.extension().is_some_and(wanted) {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

/// Whether the broken file at `path` names the network `name`.
fn names(path: &Path, name: &str) -> bool {
    let value = ferrule_file::read(path)
        .ok()
        .and_then(|bytes| read_value(&bytes).ok());
    value.is_some_and(|value| value.get("name").is_some_and(|own| own == name))
}
