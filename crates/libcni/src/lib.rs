//! The runtime side of the Container Network Interface.
//!
//! What a container runtime does with plugins: [find and run](exec) their executables, read network
//! configurations, run the plugins of a list in order, and remember the results. It is pure protocol:
//! it makes no namespace and touches no device, so any runtime can be built on it. Plugins use
//! [`exec`] too, when they hand work to another plugin.

pub mod exec;
mod os_text;
