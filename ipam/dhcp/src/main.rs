//! The executable `dhcp`: the plugin, and as `dhcp daemon` its daemon.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_dhcp::Dhcp)
}
