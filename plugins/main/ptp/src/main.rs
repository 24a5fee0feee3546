//! The executable `ptp`.

fn main() -> std::process::ExitCode {
    ferrule_local_ipam::main(&cni_ptp::PtpPlugin)
}
