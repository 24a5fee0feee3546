//! Pipes between a plugin and this process, of which neither end may make the other wait.

use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// A pipe being read into memory; the pipe is dropped at its end.
#[derive(Debug)]
pub(super) struct Captured<P> {
    pub(super) pipe: Option<P>,
    pub(super) bytes: Vec<u8>,
}

impl<P: Read> Captured<P> {
    pub(super) fn new(pipe: Option<P>) -> Self {
        Self {
            pipe,
            bytes: Vec::new(),
        }
    }

    /// Reads what is there.
    pub(super) fn receive(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(());
        };
        match pipe.read_to_end(&mut self.bytes) {
            Ok(_) => self.pipe = None,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

pub(super) fn set_nonblocking(pipe: &impl AsFd) -> io::Result<()> {
    // A fresh pipe end has no other flag that could get lost.
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}
