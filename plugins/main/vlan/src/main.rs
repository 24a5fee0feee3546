//! The executable `vlan`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main_with(
        &cni_vlan::VlanPlugin,
        &[&cni_host_local::HostLocal, &cni_static::Static],
    )
}
