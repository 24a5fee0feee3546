//! The executable `dhcp`: the plugin, and as `dhcp daemon` its daemon.

fn main() -> std::process::ExitCode {
    cni_dhcp::main()
}
