//! Locks against others that choose tables in the same container.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::time::Duration;

use cni_types::Error;
use ferrule_kernel::FileLock;
use ferrule_net::Sandbox;
use ferrule_plugin::log;

/// How long the lock that everybody can take is waited for; the Go plugin holds it for some
/// milliseconds.
const WAIT: Duration = Duration::from_secs(2);

/// Held while tables are chosen and filled.
pub(crate) struct Locks {
    _ours: FileLock,
    _shared: Option<FileLock>,
}

/// Waits until nobody else chooses tables in this container.
///
/// The Go plugin takes an flock(2) on the file of the namespace, and so does this one. But whoever
/// can see the file can lock it, the container's processes among others: not getting it is told, and
/// does not stop ADD. Ferrule's own calls exclude each other by a lock that only root can take.
pub(crate) fn take(sandbox: &Sandbox) -> Result<Locks, Error> {
    let ours = sandbox.lock()?;
    // Opened anew: a lock belongs to an open file, and that of the sandbox stays open.
    let fd = sandbox.netns().fd().as_raw_fd();
    let path = PathBuf::from(format!("/proc/self/fd/{fd}"));
    let shared = File::open(&path).map_err(Error::internal)?;
    let shared = FileLock::take(shared, sandbox.netns().path(), WAIT);
    if let Err(error) = &shared {
        log(format_args!(
            "sbr: ADD goes on without the lock of the namespace: {error}"
        ));
    }
    Ok(Locks {
        _ours: ours,
        _shared: shared.ok(),
    })
}
