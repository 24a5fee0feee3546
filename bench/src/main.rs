//! Ferrule's plugins and Debian's Go plugins, side by side.
//!
//! Each scenario runs on one private host and alternates between the two, so that other load of the
//! machine affects both. Times are medians of the wall-clock time from the start of an executable to
//! its end; budgets are ratios of these. `make bench` builds the executables first.

mod chain;
mod implementation;
mod measure;
mod plot;
mod pods;
mod ports;
mod report;
mod scenario;

use std::path::PathBuf;
use std::process::ExitCode;

use ferrule_testkit::Host;

use crate::chain::CHAINS;
use crate::implementation::Implementation;
use crate::report::Report;
use crate::scenario::{MASTER, SCENARIOS};

/// Rounds of each scenario.
const DEFAULT_ROUNDS: usize = 120;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let results = PathBuf::from(words.next().unwrap_or_else(|| "bench/results".to_owned()));
    let rounds = words
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(DEFAULT_ROUNDS);
    let only = words.next().unwrap_or_default();
    let host = Host::new();
    host.ip(format!("link add {MASTER} up type veth peer name wire0").as_str());
    host.ip("link set wire0 up");
    let implementations = [Implementation::ours(), Implementation::peer()];
    let mut report = Report::new(rounds, &implementations);
    for scenario in SCENARIOS
        .iter()
        .filter(|scenario| scenario.name.contains(&only))
    {
        eprintln!("measuring {} …", scenario.name);
        match scenario.measure(&host, &implementations, rounds) {
            Ok(measured) => report.rows.push(measured),
            Err(reason) => report.skipped.push((scenario.name, reason)),
        }
    }
    for chain in CHAINS.iter().filter(|chain| chain.name.contains(&only)) {
        eprintln!("measuring {} …", chain.name);
        match chain.measure(&host, &implementations, rounds) {
            Ok(measured) => report.rows.push(measured),
            Err(reason) => report.skipped.push((chain.name, reason)),
        }
    }
    let [ours, _] = &implementations;
    if ours.has("portmap") && "portmap".contains(&only) {
        match ports::many_in_maps(&host, ours, rounds) {
            Ok(measured) => report.rows.push(measured),
            Err(reason) => report.skipped.push(("portmap in maps", reason)),
        }
    }
    for (name, measure) in pods::RUNTIMES
        .iter()
        .filter(|(name, _)| name.contains(&only))
    {
        eprintln!("measuring pods of {name} …");
        match pods::on_own_host(*measure, &implementations, rounds) {
            Ok(measured) => report.rows.push(measured),
            Err(reason) => report.skipped.push((name, reason)),
        }
    }
    report.memory = measure::peak_memory(&host, &implementations);
    println!("{}", report.table());
    match report.write(&results) {
        Ok(path) => println!("written to {}", path.display()),
        Err(error) => {
            eprintln!("cannot write to {}: {error}", results.display());
            return ExitCode::FAILURE;
        }
    }
    if report.within_budgets() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
