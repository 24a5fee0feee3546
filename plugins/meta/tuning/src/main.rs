//! The executable `tuning`.

fn main() -> std::process::ExitCode {
    cni_tuning::main()
}
