//! The container's namespace must not be the plugin's own.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cni_types::{Code, Error, Request};

/// The namespace of the process's first thread, which is the one that acts.
const OWN: &str = "/proc/self/ns/net";

/// Refuses (code 8) a request whose `CNI_NETNS` is the namespace the plugin itself runs in.
///
/// The Go plugins compare only after the work is done, when the host's `lo` is already down. A path
/// that cannot be opened is left to the plugin: for DEL it means that the namespace is gone.
pub(crate) fn refuse_own_namespace(request: &Request) -> Result<(), Error> {
    if request.netns_override || request.netns.as_os_str().is_empty() {
        return Ok(());
    }
    let own = identity(Path::new(OWN)).map_err(|error| {
        Error::new(
            Code::SameNamespace,
            format!("get plugin's netns failed: {OWN}: {error}"),
        )
    })?;
    if identity(&request.netns).ok() != Some(own) {
        return Ok(());
    }
    let path = request.netns.display();
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
