//! The executable `vrf`.

fn main() -> std::process::ExitCode {
    cni_vrf::main()
}
