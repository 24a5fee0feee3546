//! Network configurations: what the files of `/etc/cni/net.d` say.
//!
//! A [`NetworkList`] names the plugins that make up a network, in the order in which ADD runs them.
//! A [`PluginConfig`] is one of them. A [`ConfigFolder`] finds the list of a network by its name.
//!
//! Keys of the list itself are matched exactly, those of a plugin's object without regard to case;
//! that is what the Go library does and what files in the field are written for.

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
