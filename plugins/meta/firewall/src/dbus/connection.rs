//! A connection to the bus.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt::SendTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::DbusError;
use super::address::{self, BusSocket};
use super::message::{self, Call, PREFIX, Reply};

/// Deadline of the connection and of each reply. firewalld handles one request at a time, each of which
/// may rewrite its whole ruleset, so that ADDs queue.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// The bus name of the bus itself.
pub(crate) const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// "Authentication Protocol": EXTERNAL without an argument, so that the bus uses the peer credentials
/// of the socket. All in one message, as sd-bus does.
const AUTHENTICATION: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";

/// A connection to the system bus.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TimedStream>,
    serial: u32,
    /// Deadline of each reply.
    timeout: Duration,
}

/// A socket whose reads and writes have a deadline.
#[derive(Debug)]
struct TimedStream {
    stream: UnixStream,
    deadline: Instant,
}

impl TimedStream {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(Some(left))
    }
}

impl Read for TimedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for TimedStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Connection {
    /// Connects to the bus at an address.
    pub(crate) fn open(address: &str, timeout: Duration) -> Result<Self, DbusError> {
        let mut failed = DbusError::Address(address.to_owned());
        for socket in address::sockets(address) {
            match connect_to(&socket, timeout) {
                Ok(stream) => return Self::over(stream, timeout),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn over(stream: UnixStream, timeout: Duration) -> Result<Self, DbusError> {
        let deadline = Instant::now() + timeout;
        let mut bus = Self {
            stream: BufReader::new(TimedStream { stream, deadline }),
            serial: 0,
            timeout,
        };
        bus.authenticate().map_err(|error| match error {
            Authentication::Io(source) => DbusError::Io {
                doing: "log in".to_owned(),
                source,
            },
            Authentication::Refused(line) => DbusError::Refused(line),
        })?;
        bus.call_bus("Hello", &[])?;
        Ok(bus)
    }

    fn authenticate(&mut self) -> Result<(), Authentication> {
        self.stream.get_mut().write_all(AUTHENTICATION)?;
        loop {
            let mut line = Vec::new();
            // No line of the protocol is nearly as long.
            (&mut self.stream).take(4096).read_until(b'\n', &mut line)?;
            let line = String::from_utf8_lossy(&line);
            match line.split_whitespace().next() {
                Some("DATA") => {}
                Some("OK") => return Ok(()),
                _ => return Err(Authentication::Refused(line.trim_end().to_owned())),
            }
        }
    }

    /// Whether a bus name has an owner.
    pub(crate) fn has_owner(&mut self, name: &str) -> Result<bool, DbusError> {
        let reply = self.call_bus("NameHasOwner", &[name])?;
        Ok(reply == Reply::Flag(true))
    }

    fn call_bus(&mut self, method: &str, arguments: &[&str]) -> Result<Reply, DbusError> {
        self.call(&Call {
            destination: BUS,
            path: BUS_PATH,
            interface: BUS,
            method,
            arguments,
        })
    }

    /// Calls a method and waits for the reply.
    pub(crate) fn call(&mut self, call: &Call<'_>) -> Result<Reply, DbusError> {
        self.serial += 1;
        let failed = |source| DbusError::Io {
            doing: call.doing(),
            source,
        };
        let malformed = |what| DbusError::Malformed {
            doing: call.doing(),
            what,
        };
        let stream = self.stream.get_mut();
        stream.deadline = Instant::now() + self.timeout;
        stream
            .write_all(&call.encode(self.serial))
            .map_err(failed)?;
        loop {
            let mut prefix = [0; PREFIX];
            self.stream.read_exact(&mut prefix).map_err(failed)?;
            let rest = message::remaining(&prefix).map_err(malformed)?;
            let mut bytes = prefix.to_vec();
            bytes.resize(PREFIX + rest, 0);
            let behind = bytes.get_mut(PREFIX..).unwrap_or_default();
            self.stream.read_exact(behind).map_err(failed)?;
            let incoming = message::decode(&bytes).map_err(malformed)?;
            if let Some(outcome) = incoming.outcome(self.serial, &call.doing()) {
                return outcome;
            }
        }
    }
}

/// A failed authentication.
enum Authentication {
    Io(io::Error),
    Refused(String),
}

impl From<io::Error> for Authentication {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Connects to a socket. If its queue of connections is full, as that of a stopped process, the
/// kernel waits for the send timeout (`unix_stream_connect` in `net/unix/af_unix.c`), then fails with
/// EAGAIN.
fn connect_to(place: &BusSocket, timeout: Duration) -> Result<UnixStream, DbusError> {
    let (address, path) = match place {
        BusSocket::File(path) => (UnixAddr::new(path), path.clone()),
        BusSocket::Abstract(name) => {
            let path = Path::new(std::ffi::OsStr::from_bytes(name)).to_owned();
            (UnixAddr::new_abstract(name), path)
        }
    };
    let milliseconds = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    let timeout = TimeVal::milliseconds(milliseconds.into());
    let connected = || {
        let flags = SockFlag::SOCK_CLOEXEC;
        let stream = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        setsockopt(&stream, SendTimeout, &timeout)?;
        connect(stream.as_raw_fd(), &address?)?;
        Ok::<_, nix::Error>(UnixStream::from(stream))
    };
    connected().map_err(|errno| refused(path, errno.into()))
}

fn refused(path: PathBuf, source: io::Error) -> DbusError {
    DbusError::Connect { path, source }
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::{Backlog, bind, listen};

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[test]
    fn a_socket_that_accepts_nobody_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bus");
        let flags = SockFlag::SOCK_CLOEXEC;
        let listener = socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
        bind(listener.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        listen(&listener, Backlog::new(0).unwrap()).unwrap();
        // The queue has room for one connection, which is never accepted.
        let address = format!("unix:path={}", path.display());
        let silent = Connection::open(&address, SOON).unwrap_err();
        assert!(silent.is_timeout(), "{silent}");
        let full = Connection::open(&address, SOON).unwrap_err();
        assert!(full.is_timeout(), "{full}");
        let text = full.to_string();
        assert!(
            text.starts_with("cannot connect") && text.ends_with("no answer in time"),
            "{text}"
        );
    }

    #[test]
    fn an_answer_in_drops_ends_by_the_deadline() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        std::thread::spawn(move || {
            while theirs.write_all(b"x").is_ok() {
                std::thread::sleep(SOON / 10);
            }
        });
        let error = Connection::over(ours, SOON).unwrap_err();
        assert!(error.is_timeout(), "{error}");
    }
}
