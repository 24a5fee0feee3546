//! The results as a table and as a Markdown page.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::implementation::Implementation;
use crate::plot;
use crate::scenario::Measured;

/// Executables whose sizes are compared.
const SIZED: [&str; 4] = ["bridge", "ptp", "loopback", "host-local"];
/// The most memory a bridge ADD may take, in kB.
const MEMORY_BUDGET: u64 = 3072;
/// The highest ratio of a DEL to the time of the kernel to start it and to remove its link.
const FLOOR_BUDGET: f64 = 1.1;

/// Everything that was measured.
pub(crate) struct Report {
    rounds: usize,
    /// Version and limits of the other implementation, for the text.
    peer: String,
    pub(crate) rows: Vec<Measured>,
    pub(crate) skipped: Vec<(&'static str, String)>,
    /// Peak memory of a bridge ADD in kB.
    pub(crate) memory: Vec<Option<u64>>,
    sizes: Vec<(&'static str, [Option<u64>; 2])>,
}

/// One verb of one scenario.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) ours: Duration,
    pub(crate) peer: Duration,
    pub(crate) budget: Option<f64>,
}

impl Line {
    pub(crate) fn ratio(&self) -> f64 {
        self.ours.as_secs_f64() / self.peer.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn is_within_budget(&self) -> bool {
        self.budget.is_none_or(|budget| self.ratio() <= budget)
    }
}

impl Report {
    pub(crate) fn new(rounds: usize, suites: &[Implementation; 2]) -> Self {
        let sizes_of = |plugin| (plugin, suites.each_ref().map(|suite| suite.size(plugin)));
        let sizes = SIZED.into_iter().map(sizes_of).collect();
        let [_, peer] = suites;
        let version = std::env::var("FERRULE_PEER_VERSION").unwrap_or_default();
        let note = if peer.knows_nftables() {
            ""
        } else {
            ", which does not support nftables: those rows compare with its iptables"
        };
        Self {
            rounds,
            peer: format!(
                "{}{version}{note}",
                if version.is_empty() { "" } else { " " }
            ),
            rows: vec![],
            skipped: vec![],
            memory: vec![],
            sizes,
        }
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        let line = |row: &Measured, verb: usize| Line {
            name: format!("{} {}", row.name, row.verbs[verb]),
            ours: row.medians[verb][0],
            peer: row.medians[verb][1],
            budget: row.budget[verb],
        };
        let floor = |row: &Measured| {
            row.floor.map(|floor| Line {
                name: format!("{} DEL (2nd column: the kernel alone)", row.name),
                ours: row.medians[1][0],
                peer: floor,
                budget: Some(FLOOR_BUDGET),
            })
        };
        self.rows
            .iter()
            .flat_map(|row| [line(row, 0), line(row, 1)].into_iter().chain(floor(row)))
            .collect()
    }

    pub(crate) fn within_budgets(&self) -> bool {
        let memory = self.memory.first().copied().flatten();
        self.lines().iter().all(Line::is_within_budget)
            && memory.is_none_or(|memory| memory <= MEMORY_BUDGET)
    }

    /// A Markdown table that also reads well on a terminal.
    pub(crate) fn table(&self) -> String {
        let mut rows = vec![["work", "ours", "Go", "ratio", "budget"].map(str::to_owned)];
        for line in self.lines() {
            let budget = line.budget.map_or("–".to_owned(), |budget| {
                format!(
                    "≤ {budget:.2}{}",
                    if line.is_within_budget() {
                        ""
                    } else {
                        " MISSED"
                    }
                )
            });
            rows.push([
                line.name.clone(),
                milliseconds(line.ours),
                milliseconds(line.peer),
                format!("{:.3}", line.ratio()),
                budget,
            ]);
        }
        if let [Some(ours), Some(peer)] = self.memory[..] {
            rows.push([
                "bridge ADD, peak memory".to_owned(),
                format!("{ours} kB"),
                format!("{peer} kB"),
                ratio(ours, peer),
                format!("≤ {MEMORY_BUDGET} kB"),
            ]);
        }
        for (plugin, sizes) in &self.sizes {
            if let [Some(ours), Some(peer)] = *sizes {
                rows.push([
                    format!("{plugin}, executable"),
                    format!("{} kB", ours / 1024),
                    format!("{} kB", peer / 1024),
                    ratio(ours, peer),
                    "–".to_owned(),
                ]);
            }
        }
        layout(&rows)
    }

    /// Writes the page and its plot, and returns the path of the page.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        std::fs::create_dir_all(folder)?;
        let mut page = format!(
            "# Ferrule and the Go plugins, side by side\n\n\
             Medians of {} rounds, alternating, on one machine in one run: {}.\n\
             The Go plugins are Debian's package `containernetworking-plugins`{}. `make bench` repeats this.\n\n{}\n\
             ![ratios](ratios.svg)\n",
            self.rounds,
            machine(),
            self.peer,
            self.table()
        );
        for (name, reason) in &self.skipped {
            let _ = writeln!(page, "\nNot measured: {name}: {reason}.");
        }
        let path = folder.join("results.md");
        std::fs::write(&path, page)?;
        std::fs::write(folder.join("ratios.svg"), plot::ratios(&self.lines()))?;
        Ok(path)
    }
}

fn ratio(ours: u64, peer: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
    let ratio = ours as f64 / peer.max(1) as f64;
    format!("{ratio:.3}")
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// Columns padded to the same width, the header underlined.
fn layout(rows: &[[String; 5]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..5)
        .map(|column| width(column).unwrap_or_default())
        .collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if number == 0 {
            let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            let _ = writeln!(text, "| {} |", dashes.join(" | "));
        }
    }
    text
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |line| {
        line.trim_start_matches(['\t', ':', ' '])
    });
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{cores} × {model}, Linux {}", kernel.trim())
}
