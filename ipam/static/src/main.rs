//! The executable `static`.

fn main() -> std::process::ExitCode {
    cni_static::main()
}
