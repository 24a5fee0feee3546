//! Running the plugins of a network.
//!
//! A [`Runtime`] knows where plugins and remembered results are; each verb of the protocol is a
//! method. It locks nothing: callers see to it that one attachment is worked on by one call at a
//! time and that GC runs alone.

mod add;
mod answer;
mod call;
mod error;
mod gc;
mod parameters;
mod subject;
#[cfg(test)]
mod tests;
mod verbs;
mod versions;

use std::ffi::{OsStr, OsString};
use std::time::Duration;

pub use add::FailedAdd;
pub use answer::Answer;
pub use error::RuntimeError;
pub use parameters::Parameters;

use crate::cache::Cache;

/// Where plugins are found and results remembered.
#[derive(Clone, Debug)]
pub struct Runtime {
    path: OsString,
    cache: Cache,
    limit: Option<Duration>,
}

impl Runtime {
    /// A runtime for the plugins in the folders of `path`, separated by colons, with the cache of
    /// the Go library and no time limit.
    pub fn new(path: impl Into<OsString>) -> Self {
        Self {
            path: path.into(),
            cache: Cache::default(),
            limit: None,
        }
    }

    /// Remembers results elsewhere.
    #[must_use]
    pub fn with_cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    /// Kills each plugin that runs longer.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = limit;
        self
    }

    /// The folders of plugins.
    pub fn path(&self) -> &OsStr {
        &self.path
    }

    /// The remembered results.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}
