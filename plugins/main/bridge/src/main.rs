//! The executable `bridge`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main_with(
        &cni_bridge::BridgePlugin,
        &[&cni_host_local::HostLocal, &cni_static::Static],
    )
}
