//! The daemon's log: lines on standard error, with the levels of the journal where that reads them.

use std::io::{self, Write as _};

use log::{Level, LevelFilter, Log, Metadata, Record};

struct Logger {
    /// Whether systemd's journal reads standard error (`sd-daemon(3)`).
    journal: bool,
}

/// Sets the logger of the process.
pub(super) fn start(level: LevelFilter) {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    // It fails if there is one already.
    let _ = log::set_boxed_logger(Box::new(Logger { journal }));
    log::set_max_level(level);
}

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // A text from a server or a container must not look like several lines.
        let text: String = record
            .args()
            .to_string()
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let line = match (self.journal, record.level()) {
            (true, Level::Error) => format!("<3>{text}\n"),
            (true, Level::Warn) => format!("<4>{text}\n"),
            (true, Level::Info) => format!("<6>{text}\n"),
            (true, _) => format!("<7>{text}\n"),
            (false, level) => format!("{} {text}\n", level.as_str().to_lowercase()),
        };
        // Where the reader is gone there is nobody to tell.
        let _ = io::stderr().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}
