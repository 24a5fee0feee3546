//! A delegate must not outlive the plugin that started it.
//!
//! When a runtime kills a plugin in the middle of ADD and sends DEL, an address plugin that is still
//! running would reserve an address after that DEL, and nobody would release it. The delegating
//! plugin therefore names itself in the environment, and the delegate asks the kernel to be killed
//! with it. Only our own single-threaded plugins ask for this: the kernel sends the signal when the
//! starting *thread* ends, which in a Go runtime may be long before its process does.

use cni_types::{Code, Error};
use libcni::exec::PARENT_VARIABLE;
use nix::sys::{prctl, signal::Signal};

/// Ties this process to the parent named in the environment, if any is.
pub(crate) fn follow_parent() -> Result<(), Error> {
    let Some(parent) = std::env::var_os(PARENT_VARIABLE) else {
        return Ok(());
    };
    prctl::set_pdeathsig(Signal::SIGKILL)
        .map_err(|errno| Error::new(Code::Io, format!("prctl PR_SET_PDEATHSIG: {errno}")))?;
    // It may have died before the request above.
    let now = nix::unistd::getppid().to_string();
    if parent.to_str() == Some(&now) {
        return Ok(());
    }
    Err(Error::new(
        Code::TryAgain,
        "the plugin that started this one is gone; nothing was done",
    ))
}
