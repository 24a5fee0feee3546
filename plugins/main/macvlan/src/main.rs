//! The executable `macvlan`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main_with(
        &cni_macvlan::MacvlanPlugin,
        &[&cni_host_local::HostLocal, &cni_static::Static],
    )
}
