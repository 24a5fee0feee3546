//! Services that run beside a test, and log to a file.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::call::Call;
use crate::namespace::Namespace;
use crate::process::{command, describe};
use crate::words::Words;

const PAUSE: Duration = Duration::from_millis(10);

/// A running service. Everything it prints is appended to its log file, so it may print any
/// amount. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Service {
    child: Child,
    description: String,
    log: PathBuf,
}

impl Namespace {
    /// Start a service here that logs to this file.
    #[track_caller]
    pub fn serve(&self, words: impl Words, log: &Path) -> Service {
        let mut command = command(words.words());
        self.inside(|| Service::start(&mut command, Stdio::null(), log))
    }
}

impl Call {
    /// Start the executable as a service that logs to this file.
    #[track_caller]
    pub fn serve(&self, log: &Path) -> Service {
        self.namespace()
            .inside(|| Service::start(&mut self.command(), Stdio::null(), log))
    }

    /// As [`Call::serve`], with this descriptor as its standard input.
    #[track_caller]
    pub fn serve_with_stdin(&self, stdin: OwnedFd, log: &Path) -> Service {
        self.namespace()
            .inside(|| Service::start(&mut self.command(), stdin.into(), log))
    }
}

impl Service {
    #[track_caller]
    fn start(command: &mut Command, stdin: Stdio, log: &Path) -> Self {
        let description = describe(command);
        let opened = File::options().create(true).append(true).open(log);
        let file = opened.unwrap_or_else(|error| panic!("open {}: {error}", log.display()));
        let copy = file.try_clone().expect("copy a descriptor");
        command.stdin(stdin).stdout(copy).stderr(file);
        match command.spawn() {
            Ok(child) => Self {
                child,
                description,
                log: log.to_owned(),
            },
            Err(error) => panic!("start `{description}`: {error}"),
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it and earlier services with this log file have printed.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Send a signal.
    ///
    /// # Panics
    /// When the process has ended and was waited for.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).expect("process ids are small");
        kill(Pid::from_raw(pid), signal).expect("send a signal to a child");
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("look at a child")
    }

    /// Wait until it has ended.
    ///
    /// # Panics
    /// When it has not within the time; with its log.
    #[track_caller]
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "`{}` does not end\n{}",
                self.description,
                self.log()
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// Kill it (SIGKILL), and wait for the end.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill a child");
        self.child.wait().expect("wait for a child");
    }

    /// Wait until something holds.
    ///
    /// # Panics
    /// When it does not within the time, or the service ends; with its log.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + patience;
        while !holds() {
            let ended = self.ended();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "`{}` ({ended:?}): not {what}\n{}",
                self.description,
                self.log()
            );
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
