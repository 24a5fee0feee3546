//! The executable `host-device`.

fn main() -> std::process::ExitCode {
    ferrule_local_ipam::main(&cni_host_device::HostDevicePlugin)
}
