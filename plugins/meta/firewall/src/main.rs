//! The executable `firewall`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&ferrule_plugin::ChainedFrame(cni_firewall::Firewall))
}
