//! The executable `bridge`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_bridge::BridgePlugin)
}
