//! The executable `firewall`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_firewall::Firewall)
}
