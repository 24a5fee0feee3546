//! The executable `portmap`.

fn main() -> std::process::ExitCode {
    cni_portmap::main()
}
