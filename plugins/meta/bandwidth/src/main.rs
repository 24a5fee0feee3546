//! The executable `bandwidth`.

use cni_bandwidth::Bandwidth;
use ferrule_plugin::ChainedFrame;

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&ChainedFrame(Bandwidth))
}
