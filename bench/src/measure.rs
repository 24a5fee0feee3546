//! Runs a plugin and measures its time or its memory.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ferrule_testkit::Host;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::Value;

use crate::implementation::Implementation;
use crate::scenario;

/// One call of a plugin.
pub(crate) struct Run<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) verb: &'a str,
    pub(crate) container: &'a str,
    pub(crate) netns: &'a Path,
    pub(crate) config: &'a Value,
}

impl Run<'_> {
    fn command(&self, implementation: &Implementation) -> Command {
        let mut command = Command::new(implementation.executable(self.plugin));
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("CNI_COMMAND", self.verb)
            .env("CNI_CONTAINERID", self.container)
            .env("CNI_NETNS", self.netns)
            .env("CNI_IFNAME", "eth0")
            .env("CNI_PATH", &implementation.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Wall-clock time from the start of the executable to its end; a failure is an error.
    pub(crate) fn time(&self, implementation: &Implementation) -> Result<Duration, String> {
        let (elapsed, outcome) = self.run(implementation)?;
        outcome.map(|()| elapsed)
    }

    /// As [`Self::time`], for DEL: that of the Go plugins removes everything from nftables, then fails
    /// if iptables does not have its chain.
    pub(crate) fn time_anyway(&self, implementation: &Implementation) -> Result<Duration, String> {
        match self.run(implementation)? {
            (elapsed, Err(_)) if implementation.name == "go" => Ok(elapsed),
            (elapsed, outcome) => outcome.map(|()| elapsed),
        }
    }

    fn run(
        &self,
        implementation: &Implementation,
    ) -> Result<(Duration, Result<(), String>), String> {
        let input = self.config.to_string();
        let mut command = self.command(implementation);
        let start = Instant::now();
        let mut child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", self.plugin))?;
        if let Some(mut stdin) = child.stdin.take() {
            // Fails if the plugin ends before it has read everything; its exit status shows why.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child
            .wait_with_output()
            .map_err(|error| error.to_string())?;
        let elapsed = start.elapsed();
        if output.status.success() {
            return Ok((elapsed, Ok(())));
        }
        let failure = format!(
            "{} {} of {} failed: {}{}",
            implementation.name,
            self.verb,
            self.plugin,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok((elapsed, Err(failure)))
    }

    /// The peak resident memory of the process in kB (`VmHWM`), read at its exit.
    fn peak(&self, implementation: &Implementation) -> Option<u64> {
        let mut child = self.command(implementation).spawn().ok()?;
        let pid = Pid::from_raw(i32::try_from(child.id()).ok()?);
        // It waits for its input, so it is traced from then on.
        ptrace::seize(pid, ptrace::Options::PTRACE_O_TRACEEXIT).ok()?;
        child
            .stdin
            .take()?
            .write_all(self.config.to_string().as_bytes())
            .ok()?;
        let mut peak = None;
        loop {
            match waitpid(pid, None).ok()? {
                WaitStatus::PtraceEvent(_, _, _) => {
                    peak = high_water_mark(pid);
                    ptrace::cont(pid, None).ok()?;
                }
                WaitStatus::Stopped(_, signal) => {
                    let signal = (signal != Signal::SIGTRAP).then_some(signal);
                    ptrace::cont(pid, signal).ok()?;
                }
                WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return peak,
                _ => ptrace::cont(pid, None).ok()?,
            }
        }
    }
}

fn high_water_mark(pid: Pid) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// Peak memory of a bridge ADD of each implementation in kB, the median of several.
pub(crate) fn peak_memory(host: &Host, implementations: &[Implementation]) -> Vec<Option<u64>> {
    implementations
        .iter()
        .map(|implementation| {
            let config = scenario::bridge(implementation, "memory");
            let mut peaks: Vec<u64> = (0..9)
                .filter_map(|round| {
                    let container = format!("memory-{}-{round}", implementation.name);
                    let netns = host.netns(&container);
                    let run = |verb| Run {
                        plugin: "bridge",
                        verb,
                        container: &container,
                        netns: netns.path(),
                        config: &config,
                    };
                    let peak = run("ADD").peak(implementation);
                    let removed = run("DEL").time(implementation);
                    netns.remove();
                    removed.ok().and(peak)
                })
                .collect();
            median(&mut peaks)
        })
        .collect()
}

/// The median; `None` without values.
pub(crate) fn median<T: Ord + Copy>(values: &mut [T]) -> Option<T> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
