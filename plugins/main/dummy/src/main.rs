//! The executable `dummy`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main_with(
        &cni_dummy::DummyPlugin,
        &[&cni_host_local::HostLocal, &cni_static::Static],
    )
}
