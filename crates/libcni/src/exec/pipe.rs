//! Non-blocking pipes between a plugin and this process.

use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// The most that is kept of what a plugin writes, in bytes: as large as a configuration may be.
pub(super) const MAX_OUTPUT_BYTES: usize = 8 << 20;

/// The most that is read at once, so that a plugin that writes without end does not keep the caller
/// from looking at the time.
const MAX_READ_BYTES: usize = 1 << 20;

/// A pipe being read into memory; the pipe is dropped at its end.
#[derive(Debug)]
pub(super) struct Captured<P> {
    pub(super) pipe: Option<P>,
    pub(super) bytes: Vec<u8>,
    /// Whether data was dropped.
    pub(super) is_cut: bool,
}

impl<P: Read> Captured<P> {
    pub(super) fn new(pipe: Option<P>) -> Self {
        Self {
            pipe,
            bytes: Vec::new(),
            is_cut: false,
        }
    }

    /// Reads the available data; drops what exceeds the limit.
    pub(super) fn receive(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(());
        };
        match pipe
            .take(MAX_READ_BYTES as u64)
            .read_to_end(&mut self.bytes)
        {
            Ok(MAX_READ_BYTES) => {}
            Ok(_) => self.pipe = None,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        self.is_cut |= self.bytes.len() > MAX_OUTPUT_BYTES;
        self.bytes.truncate(MAX_OUTPUT_BYTES);
        Ok(())
    }
}

pub(super) fn set_nonblocking(pipe: &impl AsFd) -> io::Result<()> {
    // A fresh pipe end has no other flag that could get lost.
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}
