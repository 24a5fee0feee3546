//! Rows of the tables that `make interop` and `make conformance` print.

use std::fs::OpenOptions;
use std::io::Write as _;

use ferrule_testkit::Host;

/// Names the file that gets the rows (`tests/table` makes a table of them).
const VARIABLE: &str = "FERRULE_TABLE";

/// What became of the steps about one row, by column.
#[derive(Debug)]
pub struct Row {
    name: String,
    failures: Vec<String>,
}

impl Row {
    /// A row of this name.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            failures: Vec::new(),
        }
    }

    /// Takes down what became of one step.
    pub fn record(&mut self, column: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.write(column, "yes", ""),
            Err(reason) => {
                self.write(column, "no", &reason);
                self.failures.push(format!("{column}: {reason}"));
            }
        }
    }

    /// Takes down a failure that the Go plugins have among themselves as well.
    pub fn excuse(&mut self, column: &str, reason: &str) {
        self.write(column, "as theirs", reason);
    }

    fn write(&self, column: &str, text: &str, reason: &str) {
        let Some(path) = std::env::var_os(VARIABLE) else {
            return;
        };
        let reason = reason.replace(['\n', '\t'], " ");
        let line = format!("{}\t{column}\t{text}\t{reason}\n", self.name);
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("write a row");
    }

    /// The test passes if every step went well, or went wrong for an excuse.
    ///
    /// # Panics
    /// With the steps that did not.
    pub fn judge(self) {
        assert!(
            self.failures.is_empty(),
            "{}\n{}",
            self.name,
            self.failures.join("\n")
        );
    }
}

/// Does work on a host of its own, besides the test's.
///
/// # Errors
/// The text of a panic.
pub fn on_own_host<T: Send>(work: impl FnOnce(&Host) -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| work(&Host::new()));
        worker.join().map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_else(|| "panicked".to_owned())
        })
    })
}
