//! The executable `host-local`.

fn main() -> std::process::ExitCode {
    cni_host_local::main()
}
