//! Running the tools.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ferrule_file::LockOwner;

use super::error::IptablesError;
use super::process::communicate;
use super::rule::ListedRule;

/// How long the tools wait for each other.
pub(super) const WAIT_SECONDS: u32 = 30;

/// The exit code for a lack of resources, the lock being one (`RESOURCE_PROBLEM` of
/// libxtables).
const RESOURCE_PROBLEM: i32 = 4;

/// The default lock file of the tools, and the variable that names another.
const LOCK_FILE: &str = "/run/xtables.lock";
const LOCK_FILE_VARIABLE: &str = "XTABLES_LOCKFILE";

/// What a tool printed before it exited.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Output {
    /// The rules in it.
    pub(super) fn rules(&self) -> impl Iterator<Item = ListedRule> {
        self.stdout.lines().filter_map(ListedRule::parse)
    }
}

/// How long a tool may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// This many seconds for the lock, and [`WORK`] for the rest.
    Seconds(u32),
    /// No time for the lock, which reading does not need, and [`PROBE`] for the rest.
    Not,
}

/// How long a tool may take besides waiting for the lock.
const WORK: Duration = Duration::from_secs(30);

/// How long a tool may take to list one rule.
const PROBE: Duration = Duration::from_millis(700);

/// A file of procfs that every process has its own of, and that only its user can open: a lock on
/// it is free.
const OWN_FILE: &str = "/proc/self/environ";

/// Runs a tool with `input` on stdin. A timeout and a held lock are errors; the caller judges other
/// exit codes.
pub(super) fn run(
    path: &Path,
    arguments: &[&str],
    input: Option<&str>,
    wait: Wait,
) -> Result<Output, IptablesError> {
    let mut command = Command::new(path);
    command.args(arguments).env("LC_ALL", "C");
    let (seconds, limit) = match wait {
        Wait::Seconds(seconds) => (seconds, Duration::from_secs(seconds.into()) + WORK),
        Wait::Not => {
            command.env(LOCK_FILE_VARIABLE, OWN_FILE);
            (1, PROBE)
        }
    };
    // Some releases wait for ever if the number is missing or 0.
    command.args(["--wait", &seconds.to_string()]);
    let failed = |source| IptablesError::Run {
        path: path.to_owned(),
        source,
    };
    let Some(output) = communicate(&mut command, input, limit).map_err(failed)? else {
        return Err(IptablesError::TimedOut {
            command: command_line(path, arguments),
            limit,
        });
    };
    let output = Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: stderr(&String::from_utf8_lossy(&output.stderr)),
    };
    if output.code == Some(RESOURCE_PROBLEM) && output.stderr.contains("xtables lock") {
        return Err(IptablesError::Locked {
            command: command_line(path, arguments),
            seconds,
            holder: LockOwner::at(&lock_file()),
            text: output.stderr,
        });
    }
    Ok(output)
}

/// The file the tools lock.
fn lock_file() -> PathBuf {
    std::env::var_os(LOCK_FILE_VARIABLE).map_or_else(|| LOCK_FILE.into(), PathBuf::from)
}

/// The messages of the tool on one line, without its remarks about the other variant.
fn stderr(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let telling = lines.filter(|line| {
        !line.is_empty() && !line.starts_with("# Warning") && !line.starts_with("Try `")
    });
    telling.collect::<Vec<_>>().join("; ")
}

/// The command for an error: name and arguments.
pub(super) fn command_line(path: &Path, arguments: &[&str]) -> String {
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    let mut line = name.into_owned();
    for argument in arguments {
        line.push(' ');
        line.push_str(argument);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_line_without_remarks() {
        let text = "# Warning: iptables-legacy tables present, use iptables-legacy to see them\n\
                    iptables v1.8.9 (nf_tables): Chain 'x' does not exist\n\
                    Try `iptables -h' or 'iptables --help' for more information.\n\n";
        assert_eq!(
            stderr(text),
            "iptables v1.8.9 (nf_tables): Chain 'x' does not exist"
        );
        assert_eq!(stderr("a\nb\n"), "a; b");
    }

    #[test]
    fn a_tool_that_stops_reading_is_judged_by_its_messages() {
        let input = "x".repeat(1 << 20);
        let arguments = ["-c", "echo no >&2; exit 2"];
        let output = run(
            Path::new("/bin/sh"),
            &arguments,
            Some(&input),
            Wait::Seconds(1),
        )
        .unwrap();
        assert_eq!((output.code, output.stderr.as_str()), (Some(2), "no"));
    }

    #[test]
    fn a_tool_that_does_not_end_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("process");
        let script = format!("echo $$ >{}; exec sleep 60", file.display());
        let error = run(Path::new("/bin/sh"), &["-c", &script], None, Wait::Not).unwrap_err();
        assert!(error.is_undecided(), "{error}");
        assert!(error.to_string().contains("has not ended"), "{error}");
        let process = std::fs::read_to_string(file).unwrap();
        assert!(!Path::new("/proc").join(process.trim()).exists());
    }

    #[test]
    fn a_tool_that_cannot_be_started_is_named() {
        let error = run(Path::new("/nowhere/iptables"), &[], None, Wait::Not).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot run \"/nowhere/iptables\": no such file or directory (os error 2)"
        );
    }

    #[test]
    fn commands_are_named_without_their_folder() {
        assert_eq!(
            command_line(Path::new("/sbin/iptables"), &["-S", "X"]),
            "iptables -S X"
        );
    }
}
