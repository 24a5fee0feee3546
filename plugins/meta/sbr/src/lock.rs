//! Locks among processes that choose tables in the same container.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::time::Duration;

use cni_types::Error;
use ferrule_kernel::FileLock;
use ferrule_net::Sandbox;
use ferrule_plugin::log;

/// Deadline of the wait for the Go plugin's lock, which every process can take. The Go plugin holds it
/// for some milliseconds.
const WAIT: Duration = Duration::from_secs(2);

/// The locks that are held while tables are chosen and filled.
pub(crate) struct Locks {
    _ours: FileLock,
    _shared: Option<FileLock>,
}

/// Takes the locks for choosing tables in this container.
///
/// The Go plugin takes an flock(2) on the namespace file, and so does this one. But every process that
/// can see the file can lock it, including those of the container: so ADD continues without this lock
/// after its deadline, with a message. Ferrule's own calls also use a lock that only root can take.
pub(crate) fn take(sandbox: &Sandbox) -> Result<Locks, Error> {
    let ours = sandbox.lock()?;
    // Reopened: a lock belongs to an open file description, and that of the sandbox stays open.
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
