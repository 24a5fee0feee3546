//! The executable `host-device`.

fn main() -> std::process::ExitCode {
    cni_host_device::main()
}
