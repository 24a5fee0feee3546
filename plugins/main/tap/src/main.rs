//! The executable `tap`.

fn main() -> std::process::ExitCode {
    cni_tap::main()
}
