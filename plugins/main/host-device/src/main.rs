//! The executable `host-device`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main_with(
        &cni_host_device::HostDevicePlugin,
        &[&cni_host_local::HostLocal, &cni_static::Static],
    )
}
