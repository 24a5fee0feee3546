//! A plugin's standard input.

use std::io::{self, ErrorKind, PipeReader, PipeWriter, Write as _};
use std::os::fd::{AsFd, BorrowedFd};

use super::pipe::set_nonblocking;

/// A plugin's standard input. A usual configuration fits into the pipe before the plugin starts, so
/// the plugin does not wait for it.
#[derive(Debug)]
pub(super) struct Input {
    /// The end to write to; dropped after the last byte.
    pipe: Option<PipeWriter>,
    /// What the pipe has not taken yet.
    unsent: Vec<u8>,
    sent: usize,
}

impl Input {
    /// The plugin's end, and the rest of the input.
    pub(super) fn new(bytes: &[u8]) -> io::Result<(PipeReader, Self)> {
        let (reader, writer) = io::pipe()?;
        set_nonblocking(&writer)?;
        let mut input = Self {
            pipe: Some(writer),
            unsent: bytes.to_vec(),
            sent: 0,
        };
        input.send()?;
        Ok((reader, input))
    }

    /// The pipe, if there is something left to be written.
    pub(super) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Writes what the plugin can take now and closes its input behind the last byte.
    pub(super) fn send(&mut self) -> io::Result<()> {
        while let (Some(pipe), Some(rest)) = (&mut self.pipe, self.unsent.get(self.sent..)) {
            if rest.is_empty() {
                self.pipe = None;
                break;
            }
            match pipe.write(rest) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // A plugin need not read its input.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.pipe = None,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
