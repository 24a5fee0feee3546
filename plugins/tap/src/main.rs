//! The executable `tap`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_tap::TapPlugin)
}
