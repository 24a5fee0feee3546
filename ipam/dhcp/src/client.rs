//! The plugin's side of the daemon's socket.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cni_types::{Code, Error};
use ferrule_file::io_text;
use thiserror::Error;

use crate::protocol::{Message, Query, Reply, VERSION};

/// How long the daemon may take for what it does at once.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How much longer than the daemon says the plugin waits.
const GRACE: Duration = Duration::from_secs(5);
/// The longest answer: the list of all leases.
const LONGEST_ANSWER: u64 = 256 << 20;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    /// There is nobody on the socket.
    #[error("cannot reach the dhcp daemon on {socket:?}: {}", io_text(.source))]
    Unreachable {
        /// The socket's path.
        socket: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The daemon ended, or hangs.
    #[error("the dhcp daemon on {socket:?} gave no answer: {}", io_text(.source))]
    NoAnswer {
        /// The socket's path.
        socket: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// It speaks another language.
    #[error("what listens on {socket:?} is not the dhcp daemon of this plugin")]
    Foreign {
        /// The socket's path.
        socket: PathBuf,
    },
    /// The daemon says so.
    #[error("{0}")]
    Failed(Error),
}

impl ClientError {
    /// Whether the daemon may do it later, as it does not run now or has not answered.
    pub(crate) fn is_away(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        let text = error.to_string();
        match error {
            ClientError::Failed(error) => error,
            ClientError::Unreachable { .. } => Self::new(Code::TryAgain, text).details(
                "start it: systemctl enable --now cni-dhcp.socket, or run \"dhcp daemon\" as root",
            ),
            ClientError::NoAnswer { .. } => {
                Self::new(Code::TryAgain, text).details("look at its log, and restart it if it hangs")
            }
            ClientError::Foreign { .. } => Self::internal(text)
                .details("stop it, perhaps the daemon of the Go plugin, and start \"dhcp daemon\" of this one"),
        }
    }
}

/// A daemon's socket.
pub(crate) struct Daemon<'a> {
    socket: &'a Path,
}

impl<'a> Daemon<'a> {
    pub(crate) fn at(socket: &'a Path) -> Self {
        Self { socket }
    }

    /// The daemon's answer to one query.
    pub(crate) fn ask(&self, query: Query) -> Result<Reply, ClientError> {
        let unreachable = |source| ClientError::Unreachable {
            socket: self.socket.to_owned(),
            source,
        };
        let silent = |source| ClientError::NoAnswer {
            socket: self.socket.to_owned(),
            source,
        };
        let mut stream = UnixStream::connect(self.socket).map_err(unreachable)?;
        let message = Message {
            version: VERSION,
            query,
        };
        let mut line =
            serde_json::to_vec(&message).map_err(|error| silent(io::Error::other(error)))?;
        line.push(b'\n');
        let deadline = |stream: &UnixStream, time| {
            stream
                .set_write_timeout(Some(time))
                .and_then(|()| stream.set_read_timeout(Some(time)))
        };
        deadline(&stream, ANSWER_TIME).map_err(silent)?;
        let written = stream.write_all(&line);
        let mut answers = BufReader::new(&stream);
        if let Err(error) = written {
            // A daemon that refuses whoever this is says why before it hangs up.
            let reply = self.read(&mut answers);
            return Err(reply
                .err()
                .filter(|e| !e.is_away())
                .unwrap_or_else(|| silent(error)));
        }
        match self.read(&mut answers)? {
            Reply::Pending(seconds) => {
                let time = Duration::from_secs(seconds).saturating_add(GRACE);
                deadline(&stream, time).map_err(silent)?;
                self.read(&mut answers)
            }
            reply => Ok(reply),
        }
    }

    fn read(&self, answers: &mut BufReader<&UnixStream>) -> Result<Reply, ClientError> {
        let silent = |source| ClientError::NoAnswer {
            socket: self.socket.to_owned(),
            source,
        };
        let mut line = Vec::new();
        let read = answers.take(LONGEST_ANSWER).read_until(b'\n', &mut line);
        match read {
            // The kernel's word for a deadline of a socket.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(silent(io::ErrorKind::TimedOut.into()));
            }
            Err(error) => return Err(silent(error)),
            Ok(_) if line.is_empty() => return Err(silent(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
        }
        match serde_json::from_slice(&line) {
            Ok(Reply::Failed {
                code,
                message,
                details,
            }) => Err(ClientError::Failed(Error {
                code,
                msg: message,
                details,
            })),
            Ok(reply) => Ok(reply),
            Err(_) => Err(ClientError::Foreign {
                socket: self.socket.to_owned(),
            }),
        }
    }
}
