//! The executable `tap`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main_with(
        &cni_tap::TapPlugin,
        &[&cni_host_local::HostLocal, &cni_static::Static],
    )
}
