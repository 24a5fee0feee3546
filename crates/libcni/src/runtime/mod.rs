//! Runs the plugins of a network.
//!
//! A [`Runtime`] knows the folders of the plugins and of the cache; each verb of the protocol is a
//! method. It takes no lock: the caller must run one call per attachment at a time, and GC alone.

mod add;
mod add_result;
mod call;
mod error;
mod gc;
mod parameters;
#[cfg(test)]
mod tests;
mod verbs;
mod versions;

use std::ffi::{OsStr, OsString};
use std::time::Duration;

pub use add::FailedAdd;
pub use add_result::AddResult;
pub use error::RuntimeError;
pub use parameters::Parameters;
pub use verbs::Checked;

use crate::cache::Cache;

/// The search path of plugins and the result cache.
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

    /// Uses another cache.
    #[must_use]
    pub fn with_cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    /// Kills each plugin that runs longer than `limit`.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = limit;
        self
    }

    /// The folders of plugins.
    pub fn path(&self) -> &OsStr {
        &self.path
    }

    /// The result cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}
