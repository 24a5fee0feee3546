//! The executable `flannel`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_flannel::FlannelPlugin)
}
