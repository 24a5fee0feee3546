//! A running plugin.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use cni_types::{CniResult, Error, SpecVersion, json::JsonValue};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::ExecError;
use super::input::Input;
use super::pipe::{Captured, MAX_OUTPUT_BYTES, set_nonblocking};

/// The first wait for data before checking whether the plugin has ended, in milliseconds. Normally
/// the end of the pipes shows that at once; a child process that outlives the plugin may keep them
/// open.
const FIRST_PAUSE: u64 = 5;
/// The longest such wait.
const LONGEST_PAUSE: u64 = 100;

/// A running plugin. [`Self::finish`] reads its result and reaps the process.
#[derive(Debug)]
#[must_use]
pub struct Running {
    child: Child,
    executable: PathBuf,
    stdin: Input,
    stdout: Captured<ChildStdout>,
    stderr: Captured<ChildStderr>,
    deadline: Option<(Instant, Duration)>,
}

/// The output of a plugin that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its standard output.
    pub stdout: Vec<u8>,
}

impl Output {
    /// Reads the output as the result of ADD; `default` is the version where the result names none.
    pub fn result(&self, default: SpecVersion) -> Result<(SpecVersion, CniResult), ExecError> {
        Ok(CniResult::read(&self.stdout, default)?)
    }
}

impl Running {
    pub(super) fn new(
        mut child: Child,
        stdin: Input,
        executable: PathBuf,
        deadline: Option<(Instant, Duration)>,
    ) -> Result<Self, ExecError> {
        let running = Self {
            stdin,
            stdout: Captured::new(child.stdout.take()),
            stderr: Captured::new(child.stderr.take()),
            child,
            executable,
            deadline,
        };
        match running.prepare() {
            Ok(()) => Ok(running),
            Err(error) => Err(running.abandon(error)),
        }
    }

    /// Waits for the plugin to end and returns its output.
    ///
    /// With exit status 0 the plugin's log is copied to this process's standard error. Otherwise the
    /// error is the plugin's error object, or if there is none, describes how it ended. Does not wait
    /// for child processes that outlive the plugin.
    pub fn finish(mut self) -> Result<Output, ExecError> {
        let status = match self.exchange() {
            Ok(Some(status)) => status,
            Ok(None) => return Err(self.kill_late()),
            Err(error) => return Err(self.abandon(error)),
        };
        let (stdout, stderr) = (self.stdout.bytes, self.stderr.bytes);
        if status.success() {
            // There is no place to report a lost log.
            let _ = io::stderr().write_all(&stderr);
            return Ok(Output { stdout });
        }
        Err(exit_error(status, &stdout, &stderr))
    }

    fn prepare(&self) -> io::Result<()> {
        if let Some(stdout) = &self.stdout.pipe {
            set_nonblocking(stdout)?;
        }
        if let Some(stderr) = &self.stderr.pipe {
            set_nonblocking(stderr)?;
        }
        Ok(())
    }

    /// Moves data until the plugin has ended; `None` if its time is up first.
    fn exchange(&mut self) -> io::Result<Option<ExitStatus>> {
        let mut pause = FIRST_PAUSE;
        loop {
            let left = match self.deadline {
                Some((end, _)) => end.checked_duration_since(Instant::now()),
                None => Some(Duration::MAX),
            };
            let Some(left) = left else { return Ok(None) };
            if self.stdout.pipe.is_none() && self.stderr.pipe.is_none() {
                if self.deadline.is_none() {
                    return self.child.wait().map(Some);
                }
                if let Some(status) = self.child.try_wait()? {
                    return Ok(Some(status));
                }
                thread::sleep(left.min(Duration::from_millis(1)));
                continue;
            }
            let moved = self.wait_for_data(left.min(Duration::from_millis(pause)))?;
            // Before reading, so that nothing written before the end is missed.
            let ended = self.child.try_wait()?;
            self.stdin.send()?;
            self.stdout.receive()?;
            if self.stdout.is_cut {
                return Err(io::Error::other(format!(
                    "more than {MAX_OUTPUT_BYTES} bytes on standard output"
                )));
            }
            self.stderr.receive()?;
            if ended.is_some() {
                return Ok(ended);
            }
            pause = if moved {
                FIRST_PAUSE
            } else {
                (pause * 2).min(LONGEST_PAUSE)
            };
        }
    }

    /// Whether any pipe can move within `pause`.
    fn wait_for_data(&self, pause: Duration) -> io::Result<bool> {
        let mut pipes = Vec::with_capacity(3);
        if let Some(stdin) = self.stdin.pipe() {
            pipes.push(PollFd::new(stdin, PollFlags::POLLOUT));
        }
        if let Some(stdout) = &self.stdout.pipe {
            pipes.push(PollFd::new(stdout.as_fd(), PollFlags::POLLIN));
        }
        if let Some(stderr) = &self.stderr.pipe {
            pipes.push(PollFd::new(stderr.as_fd(), PollFlags::POLLIN));
        }
        let pause = u16::try_from(pause.as_millis()).unwrap_or(u16::MAX);
        match poll(&mut pipes, PollTimeout::from(pause)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn kill_late(mut self) -> ExecError {
        self.kill();
        let limit = self.deadline.map_or(Duration::ZERO, |(_, limit)| limit);
        ExecError::TimedOut {
            executable: self.executable,
            limit,
        }
    }

    fn abandon(mut self, source: io::Error) -> ExecError {
        self.kill();
        ExecError::Exchange {
            executable: self.executable,
            source,
        }
    }

    /// Kills the plugin. Both steps fail only if it has already ended.
    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The error of a plugin that ended with `status`.
fn exit_error(status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> ExecError {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if stdout.is_empty() && stderr.is_empty() {
        return ExecError::Silent(status);
    }
    if stdout.is_empty() {
        return ExecError::OnlyLogged {
            stderr: text(stderr),
            status,
        };
    }
    let error = JsonValue::read(stdout).map_err(|error| error.to_string());
    let error = error.and_then(|json| json.decode::<Error>().map_err(|error| error.to_string()));
    match error {
        Ok(error) if error.code != 0 || !error.msg.is_empty() => ExecError::Plugin(error),
        // A result, for example.
        Ok(_) => ExecError::Undecipherable {
            status,
            stdout: text(stdout),
            error: "neither code nor msg".to_owned(),
        },
        Err(error) => ExecError::Undecipherable {
            status,
            stdout: text(stdout),
            error,
        },
    }
}

/// `exited with status 1` or `killed by SIGKILL`.
pub(super) fn describe_exit(status: ExitStatus) -> String {
    let Some(number) = status.signal() else {
        return format!("exited with status {}", status.code().unwrap_or_default());
    };
    match Signal::try_from(number) {
        Ok(signal) => format!("killed by {signal}"),
        Err(_) => format!("killed by signal {number}"),
    }
}
