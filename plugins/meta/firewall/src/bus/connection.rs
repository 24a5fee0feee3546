//! The conversation with the bus.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::BusError;
use super::address::{self, Place};
use super::message::{self, Call, PREFIX, Reply};

/// How long an answer may take. firewalld works on one request at a time, each of which may
/// rewrite its whole ruleset; ADDs queue up there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Who says whose a bus name is.
pub(crate) const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// "Authentication Protocol": the bus takes the identity the kernel tells it (EXTERNAL without
/// more), as sd-bus asks for it, all in one go.
const AUTHENTICATION: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";

/// A connection to the system bus.
#[derive(Debug)]
pub(crate) struct Bus {
    stream: BufReader<UnixStream>,
    serial: u32,
    /// How long each answer may take.
    patience: Duration,
}

impl Bus {
    /// Connects to the system bus.
    pub(crate) fn system(patience: Duration) -> Result<Self, BusError> {
        Self::at(&address::of_system_bus(), patience)
    }

    fn at(address: &str, patience: Duration) -> Result<Self, BusError> {
        let mut failed = BusError::Address(address.to_owned());
        for place in address::places(address) {
            match connect(&place) {
                Ok(stream) => return Self::over(stream, patience),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn over(stream: UnixStream, patience: Duration) -> Result<Self, BusError> {
        let mut bus = Self {
            stream: BufReader::new(stream),
            serial: 0,
            patience,
        };
        bus.authenticate()?;
        bus.call_bus("Hello", &[])?;
        Ok(bus)
    }

    fn authenticate(&mut self) -> Result<(), BusError> {
        let failed = |source| BusError::Io {
            doing: "log in".to_owned(),
            source,
        };
        self.stream
            .get_mut()
            .write_all(AUTHENTICATION)
            .map_err(failed)?;
        let deadline = Instant::now() + self.patience;
        loop {
            self.wait_until(deadline).map_err(failed)?;
            let mut line = Vec::new();
            // No line of the protocol is nearly as long.
            (&mut self.stream)
                .take(4096)
                .read_until(b'\n', &mut line)
                .map_err(failed)?;
            let line = String::from_utf8_lossy(&line);
            match line.split_whitespace().next() {
                Some("DATA") => {}
                Some("OK") => return Ok(()),
                _ => return Err(BusError::Refused(line.trim_end().to_owned())),
            }
        }
    }

    /// Whether anybody has a bus name.
    pub(crate) fn has_owner(&mut self, name: &str) -> Result<bool, BusError> {
        let reply = self.call_bus("NameHasOwner", &[name])?;
        Ok(reply == Reply::Flag(true))
    }

    fn call_bus(&mut self, method: &str, arguments: &[&str]) -> Result<Reply, BusError> {
        self.call(&Call {
            destination: BUS,
            path: BUS_PATH,
            interface: BUS,
            method,
            arguments,
        })
    }

    /// Calls a method and waits for the answer.
    pub(crate) fn call(&mut self, call: &Call<'_>) -> Result<Reply, BusError> {
        self.serial += 1;
        let failed = |source| BusError::Io {
            doing: call.doing(),
            source,
        };
        let message = call.encode(self.serial);
        self.stream.get_mut().write_all(&message).map_err(failed)?;
        let deadline = Instant::now() + self.patience;
        loop {
            let bytes = self.receive(call, deadline)?;
            let incoming = message::decode(&bytes).map_err(|what| BusError::Malformed {
                doing: call.doing(),
                what,
            })?;
            if let Some(outcome) = incoming.outcome(self.serial, &call.doing()) {
                return outcome;
            }
        }
    }

    fn receive(&mut self, call: &Call<'_>, deadline: Instant) -> Result<Vec<u8>, BusError> {
        let failed = |source| BusError::Io {
            doing: call.doing(),
            source,
        };
        let mut prefix = [0; PREFIX];
        self.wait_until(deadline).map_err(failed)?;
        self.stream.read_exact(&mut prefix).map_err(failed)?;
        let rest = message::remaining(&prefix).map_err(|what| BusError::Malformed {
            doing: call.doing(),
            what,
        })?;
        let mut bytes = prefix.to_vec();
        bytes.resize(PREFIX + rest, 0);
        self.wait_until(deadline).map_err(failed)?;
        let behind = bytes.get_mut(PREFIX..).unwrap_or_default();
        self.stream.read_exact(behind).map_err(failed)?;
        Ok(bytes)
    }

    /// Lets no read last beyond a point in time.
    fn wait_until(&self, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.get_ref().set_read_timeout(Some(left))
    }
}

fn connect(place: &Place) -> Result<UnixStream, BusError> {
    let (stream, path) = match place {
        Place::File(path) => (UnixStream::connect(path), path.clone()),
        Place::Abstract(name) => {
            let address = SocketAddr::from_abstract_name(name);
            let path = Path::new(std::ffi::OsStr::from_bytes(name)).to_owned();
            (
                address.and_then(|address| UnixStream::connect_addr(&address)),
                path,
            )
        }
    };
    stream.map_err(|source| refused(path, source))
}

fn refused(path: PathBuf, source: io::Error) -> BusError {
    BusError::Connect { path, source }
}
