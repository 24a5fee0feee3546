//! The executable `host-device`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_host_device::HostDevicePlugin)
}
