//! The executable `ptp`.

fn main() -> std::process::ExitCode {
    cni_ptp::main()
}
