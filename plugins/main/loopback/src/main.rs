//! The executable `loopback`.

fn main() -> std::process::ExitCode {
    cni_loopback::main()
}
