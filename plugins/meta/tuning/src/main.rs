//! The executable `tuning`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&ferrule_plugin::ChainedFrame(cni_tuning::Tuning))
}
