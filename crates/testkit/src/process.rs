//! Processes: started with an input, run to their end or left running.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::outcome::Outcome;

/// A running process.
#[derive(Debug)]
pub struct Running {
    child: Child,
    feeder: JoinHandle<()>,
    description: String,
    started: Instant,
}

impl Running {
    /// Starts `command` with `input` on its standard input, in the namespaces of this thread.
    ///
    /// # Panics
    /// If the executable cannot be started.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, input: &[u8]) -> Self {
        let description = describe(command);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("start `{description}`: {error}"),
        };
        let feeder = feed(&mut child, input);
        Self {
            child,
            feeder,
            description,
            started,
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process (SIGKILL); [`Self::wait`] still returns its outcome.
    pub fn kill(&mut self) {
        self.child
            .kill()
            .expect("kill a child that was not waited for");
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// If the output cannot be read.
    pub fn wait(self) -> Outcome {
        let output = self
            .child
            .wait_with_output()
            .expect("collect a child's output");
        let elapsed = self.started.elapsed();
        self.feeder
            .join()
            .expect("the feeding thread does not panic");
        Outcome {
            command: self.description,
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            elapsed,
        }
    }
}

/// Writes `input` to a child's standard input on a thread. A broken pipe is ignored: the process may
/// end without reading it.
pub(crate) fn feed(child: &mut Child, input: &[u8]) -> JoinHandle<()> {
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_vec();
    std::thread::spawn(move || drop(stdin.write_all(&input)))
}

/// A command of these words, the first of which is the executable.
pub(crate) fn command(words: Vec<OsString>) -> Command {
    let mut words = words.into_iter();
    let mut command = Command::new(words.next().expect("a command has a first word"));
    command.args(words);
    command
}

/// The command line, with its variables in front.
pub(crate) fn describe(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let (name, value) = (name.to_string_lossy(), value?.to_string_lossy());
        (name != "PATH").then(|| format!("{name}={value}"))
    });
    let program = command.get_program().to_string_lossy().into_owned();
    let words = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned());
    variables
        .chain([program])
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}
