//! The executable `loopback`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_loopback::LoopbackPlugin)
}
