//! The executable `firewall`.

fn main() -> std::process::ExitCode {
    cni_firewall::main()
}
