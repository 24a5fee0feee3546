//! The executable `ptp`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main_with(
        &cni_ptp::Ptp,
        &[&cni_host_local::HostLocal, &cni_static::Static],
    )
}
