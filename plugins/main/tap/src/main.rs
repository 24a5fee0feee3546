//! The executable `tap`.

use ferrule_net::link::LinkFrame;

fn main() -> std::process::ExitCode {
    ferrule_local_ipam::main(&LinkFrame(cni_tap::TapPlugin))
}
