//! `kill -9` at a chosen system call.

use std::collections::HashSet;
use std::io::Read;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::call::Call;
use crate::outcome::Outcome;
use crate::process::{describe, feed};

/// How long the children of a killed plugin may run.
const TIMEOUT: Duration = Duration::from_secs(30);

impl Call {
    /// Runs the call and kills the process (SIGKILL) on entry to its `count`-th system call, which is
    /// not executed. System calls of all threads are counted from 1, after the `exec` of the
    /// executable. Child processes are not traced; they have ended when this returns.
    ///
    /// `None` if the process ended before. A sweep over every system call is
    ///
    /// ```ignore
    /// for count in 1.. {
    ///     let Some(killed) = call.clone().verb("ADD").killed_at_syscall(count) else { break };
    ///     call.del().succeeds();
    ///     assert!(!host.has_link("veth0"), "left by {killed}");
    /// }
    /// ```
    ///
    /// # Panics
    /// If the process cannot be traced, or its children run for longer than 30 seconds.
    #[track_caller]
    pub fn killed_at_syscall(&self, count: usize) -> Option<Outcome> {
        // On a separate thread: the tracer is a thread, which waits only for its own children.
        self.namespace().inside(|| trace(self, count))
    }
}

fn trace(call: &Call, count: usize) -> Option<Outcome> {
    let mut command = call.command();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.process_group(0);
    #[expect(
        unsafe_code,
        reason = "being traced has to be asked for between fork and exec"
    )]
    // SAFETY: the closure makes one system call and touches no memory, which is sound after fork.
    unsafe {
        command.pre_exec(|| Ok(ptrace::traceme()?));
    }
    let started = Instant::now();
    let mut child = command
        .spawn()
        .expect("start an executable that was seen to be there");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("process ids are small"));
    let feeder = feed(&mut child, call.input());
    let stdout = collect(child.stdout.take().expect("stdout is piped"));
    let stderr = collect(child.stderr.take().expect("stderr is piped"));

    let (status, killed_in) = Tracer {
        main: pid,
        count,
        inside: HashSet::new(),
    }
    .run();
    wait_for_group(pid);
    feeder.join().expect("the feeding thread does not panic");
    let outcome = Outcome {
        command: format!(
            "{} (killed entering system call {count}: {})",
            describe(&command),
            killed_in.as_deref().unwrap_or("-"),
        ),
        status,
        stdout: stdout.join().expect("the reading thread does not panic"),
        stderr: stderr.join().expect("the reading thread does not panic"),
        elapsed: started.elapsed(),
    };
    killed_in.map(|_| outcome)
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("read a pipe");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

struct Tracer {
    main: Pid,
    /// Number of system calls until the kill, including the fatal one.
    count: usize,
    /// Threads in a system call, whose next stop is its exit.
    inside: HashSet<Pid>,
}

impl Tracer {
    /// The exit status, and the system call in which the process was killed, if it was.
    fn run(mut self) -> (ExitStatus, Option<String>) {
        let mut known = HashSet::new();
        let mut killed_in = None;
        loop {
            let thread = match next_stop() {
                WaitStatus::Exited(pid, code) if pid == self.main => {
                    return (ExitStatus::from_raw(code << 8), None);
                }
                WaitStatus::Signaled(pid, signal, _) if pid == self.main => {
                    return (ExitStatus::from_raw(signal as i32), killed_in);
                }
                WaitStatus::PtraceSyscall(thread) => {
                    if self.enters(thread) {
                        self.count = self.count.saturating_sub(1);
                    }
                    if self.count == 0 && killed_in.is_none() {
                        killed_in = Some(name_of_call(thread));
                        kill(self.main, Signal::SIGKILL).expect("kill a stopped process");
                        continue;
                    }
                    thread
                }
                // The stop after exec, or the first stop of a new thread.
                WaitStatus::Stopped(thread, _) if known.insert(thread) => {
                    if thread == self.main {
                        let options = Options::PTRACE_O_TRACESYSGOOD
                            | Options::PTRACE_O_TRACECLONE
                            | Options::PTRACE_O_EXITKILL;
                        ptrace::setoptions(thread, options).expect("set the options of a trace");
                    }
                    thread
                }
                WaitStatus::Stopped(thread, signal) => {
                    resume(thread, Some(signal));
                    continue;
                }
                WaitStatus::PtraceEvent(thread, ..) => thread,
                _ => continue,
            };
            resume(thread, None);
        }
    }

    /// Whether the stop is an entry: a system call has a stop at its entry and one at its exit.
    fn enters(&mut self, thread: Pid) -> bool {
        !self.inside.remove(&thread) && self.inside.insert(thread)
    }
}

fn next_stop() -> WaitStatus {
    let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    loop {
        match waitpid(None, Some(flags)) {
            Err(Errno::EINTR) => {}
            status => return status.expect("wait for a traced process"),
        }
    }
}

fn resume(thread: Pid, signal: Option<Signal>) {
    match ptrace::syscall(thread, signal) {
        // Another thread has ended the process.
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => panic!("resume a traced thread: {error}"),
    }
}

/// The number and arguments of the system call of a stopped thread.
fn name_of_call(thread: Pid) -> String {
    let text = std::fs::read_to_string(format!("/proc/{thread}/syscall")).unwrap_or_default();
    format!("number {}", text.trim())
}

/// Waits for the children of a killed process, which this process has adopted.
fn wait_for_group(group: Pid) {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match waitpid(Pid::from_raw(-group.as_raw()), Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return,
            Ok(WaitStatus::StillAlive) if Instant::now() > deadline => {
                let _ = killpg(group, Signal::SIGKILL);
                panic!("a child of a killed plugin runs for longer than {TIMEOUT:?}");
            }
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(1)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => panic!("wait for the children of a killed plugin: {error}"),
        }
    }
}
