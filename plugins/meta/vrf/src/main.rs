//! The executable `vrf`.

use ferrule_plugin::ChainedFrame;

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&ChainedFrame(cni_vrf::VrfPlugin))
}
