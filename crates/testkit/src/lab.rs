//! The lab kernel: user-mode Linux over this machine's files, for features that the running kernel
//! lacks. `tests/lab/run` starts it; this module decides what runs there.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;

use crate::binaries;
use crate::needs::Need;

/// Set by the script for processes on the lab kernel.
const HERE_VARIABLE: &str = "FERRULE_ON_LAB";
/// Makes a test executable print the needs that are met, one per line, instead of running tests.
const PROBE_VARIABLE: &str = "FERRULE_PROBE";
/// The folder that the script writes to.
const FOLDER_VARIABLE: &str = "FERRULE_LAB_DIR";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/lab/run");
const KERNEL: &str = "/usr/bin/linux.uml";
/// Prefix of the lines of a probe's output, among other lines.
const MARK: &str = "met: ";

/// Whether this process runs on the lab kernel.
pub(crate) fn is_here() -> bool {
    std::env::var_os(HERE_VARIABLE).is_some()
}

/// Whether this process was started as a probe.
pub(crate) fn is_probe() -> bool {
    std::env::var_os(PROBE_VARIABLE).is_some()
}

/// Prints the needs that are met.
pub(crate) fn answer_probe() {
    let mut out = std::io::stdout();
    for need in Need::OF_KERNEL.iter().filter(|need| need.is_met()) {
        writeln!(out, "{MARK}{need}").expect("print the answer of a probe");
    }
}

/// Runs the test of this name in this test executable on the lab kernel, with its output here.
pub(crate) fn run_test(name: &str) -> Result<(), Failed> {
    let executable = std::env::current_exe()?;
    let mut command = script();
    command
        .arg(executable)
        .args(["--exact", name, "--nocapture"]);
    let status = command.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("failed on the lab kernel: {status}").into())
    }
}

/// Names of the needs that the lab kernel meets, or why there is no lab kernel. The kernel is started
/// once as a probe; a file keeps the result until that kernel or the needs change.
pub(crate) fn met_needs() -> Result<HashSet<String>, String> {
    if !Path::new(KERNEL).exists() {
        return Err(format!(
            "{KERNEL} is missing: run `make test`, which installs it"
        ));
    }
    let folder = folder();
    let step = |what: &str, error: std::io::Error| format!("{what} {}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(|error| step("create", error))?;
    // Test executables are listed in parallel: one starts the kernel, the others wait for it.
    let lock = File::create(folder.join("lock")).map_err(|error| step("write to", error))?;
    lock.lock().map_err(|error| step("lock", error))?;
    let path = folder.join("needs");
    let signature = signature();
    if let Ok(text) = fs::read_to_string(&path)
        && let Some(rest) = text.strip_prefix(&signature)
    {
        return Ok(marked(rest));
    }
    let met = probe()?;
    let mut answer = signature;
    for name in &met {
        answer.extend([MARK, name, "\n"]);
    }
    fs::write(&path, answer).map_err(|error| step("write to", error))?;
    Ok(met)
}

fn probe() -> Result<HashSet<String>, String> {
    let mut command = script();
    command
        .env(PROBE_VARIABLE, "1")
        .arg(std::env::current_exe().unwrap_or_default());
    let output = command
        .output()
        .map_err(|error| format!("start {SCRIPT}: {error}"))?;
    if output.status.success() {
        return Ok(marked(&String::from_utf8_lossy(&output.stdout)));
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(text
        .lines()
        .last()
        .unwrap_or("it does not start")
        .to_owned())
}

fn marked(text: &str) -> HashSet<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix(MARK))
        .map(str::to_owned)
        .collect()
}

/// The first line of a valid result file: modification times of kernel and script, and the needs.
fn signature() -> String {
    let age = |path: &str| fs::metadata(path).and_then(|data| data.modified()).ok();
    format!(
        "{:?} {:?} {:?}\n",
        age(KERNEL),
        age(SCRIPT),
        Need::OF_KERNEL
    )
}

fn script() -> Command {
    let mut command = Command::new(SCRIPT);
    command
        .env(HERE_VARIABLE, "1")
        .env(FOLDER_VARIABLE, folder());
    command
}

/// `lab` in cargo's target folder, shared by all profiles.
fn folder() -> PathBuf {
    let executable = std::env::current_exe().unwrap_or_default();
    let profile = binaries::profile_folder(&executable);
    profile.parent().unwrap_or(Path::new("/tmp")).join("lab")
}
