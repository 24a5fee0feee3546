//! The executable `flannel`.

fn main() -> std::process::ExitCode {
    cni_flannel::main()
}
