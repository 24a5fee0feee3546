//! Notes for the operator.

/// Writes a line to standard error, where runtimes collect logs.
#[expect(clippy::print_stderr, reason = "the one place that writes notes")]
pub fn note(text: impl std::fmt::Display) {
    eprintln!("{text}");
}
