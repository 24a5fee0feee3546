//! Network configurations, normally in `/etc/cni/net.d`.
//!
//! A [`NetworkList`] names the plugins that make up a network, in the order in which ADD runs them.
//! A [`PluginConfig`] is one of them. A [`ConfigFolder`] finds the list of a network by its name.
//!
//! Keys of the list itself match exactly, those of a plugin regardless of case, as in the Go
//! library; existing files rely on it.

mod error;
mod folder;
mod list;
mod plugin;
#[cfg(test)]
mod tests;

pub use error::ConfigError;
pub use folder::{ConfigFolder, Found};
pub use list::NetworkList;
pub use plugin::PluginConfig;
