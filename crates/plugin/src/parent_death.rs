//! A delegate must not outlive the plugin that started it.
//!
//! When a runtime kills a plugin in the middle of ADD and sends DEL, an address plugin that is still
//! running would reserve an address after that DEL, and nobody would release it. The delegating
//! plugin therefore names itself in the environment, and the delegate asks the kernel to be killed
//! with it. Only our own single-threaded plugins ask for this: the kernel sends the signal when the
//! starting *thread* ends, which in a Go runtime may be long before its process does. For the same
//! reason a process between the two, such as a shell script, is not followed: it need not be
//! single-threaded, and may end before the delegate by intent.

use std::path::Path;

use cni_types::{Code, Error};
use libcni::exec::PARENT_VARIABLE;
use nix::sys::{prctl, signal::Signal};
use nix::unistd::{Pid, getppid};

/// Ties this process to the parent named in the environment, if any is.
pub(crate) fn die_with_parent() -> Result<(), Error> {
    let named = std::env::var(PARENT_VARIABLE).ok();
    let Some(named) = named.and_then(|text| text.parse().ok()).map(Pid::from_raw) else {
        return Ok(());
    };
    if named.as_raw() < 1 {
        return Ok(());
    }
    if getppid() == named {
        prctl::set_pdeathsig(Signal::SIGKILL)
            .map_err(|errno| Error::new(Code::Io, format!("prctl PR_SET_PDEATHSIG: {errno}")))?;
        // It may have died before the request above.
        if getppid() == named {
            return Ok(());
        }
    } else if is_alive(named) {
        return Ok(());
    }
    Err(Error::new(
        Code::TryAgain,
        "the plugin that started this one is gone; nothing was done",
    ))
}

/// Whether the process runs. One that was killed has an id, but no life, until its parent waits for
/// it (`proc_pid_stat(5)`: states Z, X and x).
fn is_alive(process: Pid) -> bool {
    let Ok(text) = ferrule_file::read(Path::new(&format!("/proc/{process}/stat"))) else {
        return false;
    };
    // The name before the state may contain anything.
    let state = text.rsplit(|byte| *byte == b')').next();
    !matches!(state, Some([b' ', b'Z' | b'X' | b'x', ..]))
}
