//! The executable `portmap`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_portmap::Portmap)
}
