//! Refuses a container namespace that is the plugin's own.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cni_types::{Code, Command, Error, Request};
use ferrule_file::os_text;

use crate::log;

/// The namespace of the main thread; plugins are single-threaded.
const OWN: &str = "/proc/self/ns/net";

/// Keeps ADD and DEL from using the plugin's own namespace as the container's.
///
/// ADD is refused (code 8); the Go plugins compare only after the work is done, when the host's `lo`
/// is already down. DEL continues without a namespace: the path names a process
/// (`/proc/PID/ns/net`) whose id a process on the host has got since. DEL releases what it finds
/// without the namespace, so the runtime need not repeat it. The plugin handles a path that cannot
/// be opened; for DEL it means that the namespace is gone.
pub(crate) fn keep_out_of_own_namespace(request: &mut Request) -> Result<(), Error> {
    let acts = matches!(request.command, Command::Add | Command::Del);
    if !acts || request.netns_override || request.netns.as_os_str().is_empty() {
        return Ok(());
    }
    let own = identity(Path::new(OWN)).map_err(|error| {
        let cause = os_text(&error);
        Error::new(
            Code::SameNamespace,
            format!("get plugin's netns failed: {OWN}: {cause}"),
        )
    })?;
    if identity(&request.netns).ok() != Some(own) {
        return Ok(());
    }
    let path = request.netns.display();
    if request.command == Command::Del {
        log(format_args!(
            "DEL of container {} interface {}: {path} is the host's own namespace by now: \
             the container's counts as gone",
            request.container_id, request.ifname
        ));
        request.netns = PathBuf::new();
        return Ok(());
    }
    Err(Error::new(
        Code::SameNamespace,
        format!("plugin's netns and netns from CNI_NETNS should not be the same: {path}"),
    )
    .details(
        "nothing was changed; pass the container's namespace, or set CNI_NETNS_OVERRIDE=1 to act on this one",
    ))
}

/// Device and inode number, which identify a namespace.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata: Metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
