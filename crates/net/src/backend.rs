//! Whether a packet filter can be used.

use cni_types::{Code, Error};
use ferrule_netfilter::Backend;

/// STATUS: fails (code 50) if the back end of `what` does not work on this node.
pub fn ensure_usable(what: &str, backend: Backend) -> Result<(), Error> {
    backend.probe().map_err(|reason| {
        let msg = format!("{what}: {backend} does not work on this node: {reason}");
        Error::new(Code::NotAvailable, msg)
    })
}
