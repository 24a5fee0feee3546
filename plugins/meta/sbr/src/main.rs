//! The executable `sbr`.

fn main() -> std::process::ExitCode {
    cni_sbr::main()
}
