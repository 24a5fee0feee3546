//! The executable `macvlan`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_macvlan::MacvlanPlugin)
}
