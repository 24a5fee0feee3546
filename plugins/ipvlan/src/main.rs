//! The executable `ipvlan`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_ipvlan::IpvlanPlugin)
}
