//! The executable `vlan`.

fn main() -> std::process::ExitCode {
    ferrule_plugin::main(&cni_vlan::VlanPlugin)
}
