//! Starting the tools.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ferrule_file::LockHolder;

use super::error::IptablesError;
use super::rule::ListedRule;

/// How long the tools wait for each other.
pub const WAIT_SECONDS: u32 = 30;

/// The exit code for a lack of resources, the lock being one (`RESOURCE_PROBLEM` of
/// libxtables).
const RESOURCE_PROBLEM: i32 = 4;

/// Where the tools lock, unless the environment says otherwise.
const LOCK_FILE: &str = "/run/xtables.lock";
const LOCK_FILE_VARIABLE: &str = "XTABLES_LOCKFILE";

/// What a tool said that came to its end.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) output: String,
    pub(super) complaint: String,
}

impl Said {
    /// The rules listed.
    pub(super) fn rules(&self) -> impl Iterator<Item = ListedRule> {
        self.output.lines().filter_map(ListedRule::parse)
    }
}

/// Starts a tool, hands it `input` and waits for its end. Waiting too long for the lock is an
/// error here; any other failure is for the caller to judge.
pub(super) fn run(
    path: &Path,
    arguments: &[&str],
    input: Option<&str>,
    wait: u32,
) -> Result<Said, IptablesError> {
    let seconds = wait.to_string();
    let mut command = Command::new(path);
    command
        .args(arguments)
        .args(["--wait", &seconds])
        .env("LC_ALL", "C");
    let failed = |source| IptablesError::Run {
        path: path.to_owned(),
        source,
    };
    let output = talk(&mut command, input).map_err(failed)?;
    let said = Said {
        code: output.status.code(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        complaint: complaint(&String::from_utf8_lossy(&output.stderr)),
    };
    if said.code == Some(RESOURCE_PROBLEM) && said.complaint.contains("xtables lock") {
        return Err(IptablesError::Locked {
            command: command_line(path, arguments),
            seconds: wait,
            holder: LockHolder::at(&lock_file()),
            text: said.complaint,
        });
    }
    Ok(said)
}

/// The file the tools lock.
fn lock_file() -> PathBuf {
    std::env::var_os(LOCK_FILE_VARIABLE).map_or_else(|| LOCK_FILE.into(), PathBuf::from)
}

fn talk(command: &mut Command, input: Option<&str>) -> io::Result<Output> {
    let stdin = if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let written = match (child.stdin.take(), input) {
        (Some(mut stdin), Some(input)) => stdin.write_all(input.as_bytes()),
        _ => Ok(()),
    };
    let output = child.wait_with_output()?;
    match written {
        // A tool that finds a mistake does not read on; what it says matters more.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(output),
    }
}

/// What the tool said, on one line, without remarks on the other variant.
fn complaint(text: &str) -> String {
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
    fn complaints_are_one_line_without_remarks() {
        let text = "# Warning: iptables-legacy tables present, use iptables-legacy to see them\n\
                    iptables v1.8.9 (nf_tables): Chain 'x' does not exist\n\
                    Try `iptables -h' or 'iptables --help' for more information.\n\n";
        assert_eq!(
            complaint(text),
            "iptables v1.8.9 (nf_tables): Chain 'x' does not exist"
        );
        assert_eq!(complaint("a\nb\n"), "a; b");
    }

    #[test]
    fn a_tool_that_stops_reading_is_judged_by_what_it_says() {
        let input = "x".repeat(1 << 20);
        let arguments = ["-c", "echo no >&2; exit 2"];
        let said = run(Path::new("/bin/sh"), &arguments, Some(&input), 1).unwrap();
        assert_eq!((said.code, said.complaint.as_str()), (Some(2), "no"));
    }

    #[test]
    fn a_tool_that_cannot_be_started_is_named() {
        let error = run(Path::new("/nowhere/iptables"), &[], None, 1).unwrap_err();
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
