//! The executable `ipvlan`.

fn main() -> std::process::ExitCode {
    cni_ipvlan::main()
}
