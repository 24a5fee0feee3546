//! The daemon under test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ferrule_testkit::{Call, Host, Outcome, PEER_FOLDER, Service};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Where the daemon listens by default.
pub const SOCKET: &str = "/run/cni/dhcp.sock";

const PATIENCE: Duration = Duration::from_secs(20);

/// The running daemon `dhcp daemon`, or one that was killed. It is killed when this value is
/// dropped.
#[derive(Debug)]
pub struct Daemon {
    call: Call,
    socket: PathBuf,
    log: PathBuf,
    service: Option<Service>,
}

impl Daemon {
    /// Starts ours and waits until it listens.
    pub fn start(host: &Host) -> Self {
        Self::start_with(host, "")
    }

    /// As [`Daemon::start`], with more arguments.
    pub fn start_with(host: &Host, words: &str) -> Self {
        let path = ferrule_testkit::binaries_folder().join("dhcp");
        Self::start_of(host, &path, words)
    }

    /// Starts Debian's Go daemon and waits until it listens.
    pub fn start_peer(host: &Host, words: &str) -> Self {
        Self::start_of(host, &Path::new(PEER_FOLDER).join("dhcp"), words)
    }

    fn start_of(host: &Host, path: &Path, words: &str) -> Self {
        let mut words = words.split_whitespace();
        let words: Vec<&str> = std::iter::once("daemon").chain(&mut words).collect();
        let socket = words
            .iter()
            .skip_while(|word| **word != "-socketpath")
            .nth(1);
        let socket = PathBuf::from(socket.unwrap_or(&SOCKET));
        let call = host.executable(path, words.as_slice());
        Self::start_call(host, call, &socket)
    }

    /// Starts it by a call that was put together by hand, and waits until it listens on this
    /// socket.
    pub fn start_call(host: &Host, call: Call, socket: &Path) -> Self {
        let mut daemon = Self {
            call,
            socket: socket.to_owned(),
            log: host.work_folder().join("dhcp-daemon.log"),
            service: None,
        };
        daemon.start_again();
        daemon
    }

    /// Starts it after [`Daemon::kill`] or [`Daemon::stop`], and waits until it listens.
    pub fn start_again(&mut self) {
        self.launch();
        let socket = self.socket.clone();
        let service = self.service.as_mut().expect("it was just started");
        service.wait_until("listening", PATIENCE, || answers(&socket));
    }

    /// As [`Daemon::start_again`] without the waiting.
    pub fn launch(&mut self) {
        self.service = Some(self.call.serve(&self.log));
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.kill();
        }
    }

    /// Ends it as a service manager does (SIGTERM).
    ///
    /// # Panics
    /// When it does not end well.
    #[track_caller]
    pub fn stop(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.signal(Signal::SIGTERM);
            let status = service.wait(PATIENCE);
            assert!(status.success(), "{status}\n{}", self.log());
        }
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.service
            .as_mut()
            .is_some_and(|service| service.ended().is_none())
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it was killed.
    pub fn pid(&self) -> u32 {
        self.service.as_ref().expect("the daemon runs").pid()
    }

    /// Everything it and those before it have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The number of its open descriptors.
    ///
    /// # Panics
    /// When it has ended.
    pub fn descriptors(&self) -> usize {
        self.entries("fd")
    }

    /// The number of its threads.
    ///
    /// # Panics
    /// When it has ended.
    pub fn threads(&self) -> usize {
        self.entries("task")
    }

    fn entries(&self, folder: &str) -> usize {
        let folder = format!("/proc/{}/{folder}", self.pid());
        std::fs::read_dir(folder).expect("the daemon runs").count()
    }

    /// Memory of its own, in kB.
    ///
    /// # Panics
    /// When it has ended.
    pub fn memory(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let text = text.expect("the daemon runs");
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .expect("a number of kB")
    }
}

/// Whether somebody accepts connections there.
pub fn answers(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

/// What `dhcp leases --json` prints.
#[track_caller]
pub fn held_leases(host: &Host) -> Value {
    listing(host, "leases --json").succeeds().json()
}

/// Runs our `dhcp` with these words.
#[track_caller]
pub fn listing(host: &Host, words: &str) -> Outcome {
    let path = ferrule_testkit::binaries_folder().join("dhcp");
    host.executable(path, words).run()
}
