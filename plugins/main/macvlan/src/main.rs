//! The executable `macvlan`.

fn main() -> std::process::ExitCode {
    cni_macvlan::main()
}
