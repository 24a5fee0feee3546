//! Running a process with input, bounded output and a deadline.

use std::io::{self, ErrorKind, Read, Write as _};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The most a tool may print, in bytes: more than the rules of any node.
const MOST: usize = 256 << 20;

/// Starts a tool, writes `input` to its stdin and reads its output until it exits; `None` if it did not
/// exit within `limit` and was killed.
pub(super) fn communicate(
    command: &mut Command,
    input: Option<&str>,
    limit: Duration,
) -> io::Result<Option<Output>> {
    let end = Instant::now() + limit;
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
    let outcome = exchange(&mut child, input.unwrap_or_default().as_bytes(), end);
    if !matches!(outcome, Ok(Some(_))) {
        // Both fail only if the tool has exited already.
        let _ = child.kill();
        let _ = child.wait();
    }
    outcome
}

fn exchange(child: &mut Child, mut input: &[u8], end: Instant) -> io::Result<Option<Output>> {
    let mut stdin = child.stdin.take();
    if let Some(pipe) = &stdin {
        fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    let mut stdout = PipeReader::new(child.stdout.take());
    let mut stderr = PipeReader::new(child.stderr.take());
    while stdout.pipe.is_some() || stderr.pipe.is_some() {
        let Some(left) = end.checked_duration_since(Instant::now()) else {
            return Ok(None);
        };
        let ready = wait(stdin.as_ref(), &stdout, &stderr, left)?;
        if ready[0] {
            send(&mut stdin, &mut input)?;
        }
        if ready[1] {
            stdout.receive()?;
        }
        if ready[2] {
            stderr.receive()?;
        }
    }
    // The tool has closed its output, normally by exiting.
    loop {
        if let Some(status) = child.try_wait()? {
            let (stdout, stderr) = (stdout.bytes, stderr.bytes);
            return Ok(Some(Output {
                status,
                stdout,
                stderr,
            }));
        }
        if Instant::now() > end {
            return Ok(None);
        }
        sleep(Duration::from_micros(50));
    }
}

/// Which of the three pipes are ready: stdin, stdout, stderr.
fn wait(
    stdin: Option<&ChildStdin>,
    stdout: &PipeReader<impl Read + AsFd>,
    stderr: &PipeReader<impl Read + AsFd>,
    left: Duration,
) -> io::Result<[bool; 3]> {
    let stdin = stdin.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT));
    let pipes = [stdin, stdout.poll(), stderr.poll()];
    let is_open = pipes.each_ref().map(Option::is_some);
    let mut open: Vec<PollFd<'_>> = pipes.into_iter().flatten().collect();
    let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    match poll(&mut open, left) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut answers = open.iter().map(|one| one.any().unwrap_or(false));
    Ok(is_open.map(|open| open && answers.next().unwrap_or(false)))
}

/// Writes what fits into the pipe, and closes it after the last byte.
fn send(stdin: &mut Option<ChildStdin>, input: &mut &[u8]) -> io::Result<()> {
    let Some(pipe) = stdin else { return Ok(()) };
    match pipe.write(input) {
        Ok(sent) => *input = input.get(sent..).unwrap_or_default(),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => {}
            // A tool stops reading at an error; its message on stderr matters more.
            ErrorKind::BrokenPipe => *input = &[],
            _ => return Err(error),
        },
    }
    if input.is_empty() {
        *stdin = None;
    }
    Ok(())
}

/// Reads one pipe of the tool.
struct PipeReader<P> {
    pipe: Option<P>,
    bytes: Vec<u8>,
}

impl<P: Read + AsFd> PipeReader<P> {
    fn new(pipe: Option<P>) -> Self {
        let bytes = Vec::new();
        Self { pipe, bytes }
    }

    fn poll(&self) -> Option<PollFd<'_>> {
        let pipe = self.pipe.as_ref()?;
        Some(PollFd::new(pipe.as_fd(), PollFlags::POLLIN))
    }

    /// Reads once; the pipe is ready.
    fn receive(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(());
        };
        let mut chunk = [0; 16 << 10];
        match pipe.read(&mut chunk) {
            Ok(0) => self.pipe = None,
            Ok(read) => self.bytes.extend(chunk.iter().take(read)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if self.bytes.len() > MOST {
            return Err(io::Error::other("it prints too much"));
        }
        Ok(())
    }
}
