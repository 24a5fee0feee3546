//! The executable `host-local`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_host_local::HostLocal)
}
