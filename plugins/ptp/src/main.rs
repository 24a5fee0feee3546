//! The executable `ptp`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_ptp::Ptp)
}
