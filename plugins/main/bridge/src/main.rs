//! The executable `bridge`.

fn main() -> std::process::ExitCode {
    cni_bridge::main()
}
