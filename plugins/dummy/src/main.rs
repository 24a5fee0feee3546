//! The executable `dummy`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_dummy::DummyPlugin)
}
