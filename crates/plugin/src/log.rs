//! Notes for the operator.

use std::io::{self, Write as _};

/// Writes a line to standard error, where runtimes collect logs.
pub fn log(text: impl std::fmt::Display) {
    let line = format!("{text}\n");
    // Unlike `eprintln!`, which panics where the log's reader is gone or its disk is full.
    let _ = io::stderr().write_all(line.as_bytes());
}
