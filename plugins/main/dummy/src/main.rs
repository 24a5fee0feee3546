//! The executable `dummy`.

fn main() -> std::process::ExitCode {
    cni_dummy::main()
}
