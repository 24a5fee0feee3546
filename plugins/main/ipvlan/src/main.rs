//! The executable `ipvlan`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main_with(
        &cni_ipvlan::IpvlanPlugin,
        &[&cni_host_local::HostLocal, &cni_static::Static],
    )
}
