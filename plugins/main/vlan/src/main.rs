//! The executable `vlan`.

fn main() -> std::process::ExitCode {
    cni_vlan::main()
}
