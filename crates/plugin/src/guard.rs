//! The container's namespace must not be the plugin's own.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cni_types::{Code, Command, Error, Request};
use libcni::os_text;

use crate::log;

/// The namespace of the process's first thread, which is the one that acts.
const OWN: &str = "/proc/self/ns/net";

/// Keeps ADD and DEL from taking the namespace the plugin itself runs in for the container's.
///
/// ADD is refused (code 8); the Go plugins compare only after the work is done, when the host's `lo`
/// is already down. DEL goes on without a namespace: the container's was known by the id of a
/// process (`/proc/PID/ns/net`), which a process on the host has got since. What is found without
/// it is released, and a runtime does not repeat that DEL for ever. A path that cannot be opened is
/// left to the plugin: for DEL it transport that the namespace is gone.
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

/// Device and inode number, which tell namespaces apart.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata: Metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
