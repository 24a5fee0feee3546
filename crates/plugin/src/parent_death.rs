//! Ends a delegated plugin together with the plugin that started it.
//!
//! If a runtime kills a plugin during ADD and sends DEL, an IPAM plugin that is still running would
//! reserve an address after that DEL, and nothing would release it. The delegating plugin therefore
//! passes its process id in the environment, and the IPAM plugin asks the kernel to be killed when
//! that process ends (`PR_SET_PDEATHSIG`). Only our single-threaded plugins do so: the kernel sends
//! the signal when the starting *thread* ends, which in a Go runtime may be long before the process
//! ends. For the same reason this does not apply through a process in between, such as a shell
//! script: it need not be single-threaded, and may end first on purpose.

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

/// Whether the process runs. A killed process keeps its id until its parent waits for it
/// (`proc_pid_stat(5)`: states Z, X and x).
fn is_alive(process: Pid) -> bool {
    let Ok(text) = ferrule_file::read(Path::new(&format!("/proc/{process}/stat"))) else {
        return false;
    };
    // The name before the state may contain anything.
    let state = text.rsplit(|byte| *byte == b')').next();
    !matches!(state, Some([b' ', b'Z' | b'X' | b'x', ..]))
}
