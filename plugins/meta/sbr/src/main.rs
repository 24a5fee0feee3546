//! The executable `sbr`.

use ferrule_plugin::ChainedFrame;

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&ChainedFrame(cni_sbr::Sbr))
}
