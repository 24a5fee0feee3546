//! The executable `bandwidth`.

fn main() -> std::process::ExitCode {
    cni_bandwidth::main()
}
