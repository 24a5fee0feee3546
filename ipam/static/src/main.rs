//! The executable `static`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_static::Static)
}
