//! The executable `bridge`.

fn main() -> std::process::ExitCode {
    ferrule_local_ipam::main(&cni_bridge::BridgePlugin)
}
