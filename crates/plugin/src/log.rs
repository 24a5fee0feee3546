//! The log, which is standard error.

use std::io::{self, Write as _};

use cni_types::bounded;

/// Writes a line to standard error, where runtimes collect logs. The line is bounded, since it may
/// quote a value of the request, which has megabytes.
pub fn log(text: impl std::fmt::Display) {
    let line = format!("{}\n", bounded(&text.to_string()));
    // Unlike `eprintln!`, which panics where the log's reader is gone or its disk is full.
    let _ = io::stderr().write_all(line.as_bytes());
}
