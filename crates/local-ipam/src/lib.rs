//! The `main` of plugins that call an address plugin.
//!
//! Their executables contain the local address plugins, host-local and static, so that an ADD or DEL
//! starts no second process where the address plugin found by `CNI_PATH` is of the same build.

use std::process::ExitCode;

use cni_host_local::HostLocal;
use cni_static::Static;
use ferrule_plugin::Plugin;

/// Runs the plugin on this process's environment and standard streams.
pub fn main<P: Plugin>(plugin: &P) -> ExitCode {
    ferrule_plugin::main_with(plugin, &[&HostLocal, &Static])
}
