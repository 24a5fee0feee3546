//! The executable `portmap`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&ferrule_plugin::ChainedFrame(cni_portmap::Portmap))
}
