//! One verb at a time per attachment: another ADD cannot tell the record of a running ADD from that
//! of a killed one.

use std::time::Duration;

use cni_types::{Code, Error};
use ferrule_file::{FileLock, LockError};
use ferrule_net::AttachmentId;

/// Holds the lock of an attachment until it is dropped.
pub(crate) struct AttachmentLock(FileLock);

impl AttachmentLock {
    /// Waits until no other verb works on the attachment. The network's name is not part of the lock:
    /// it may have changed since ADD.
    pub(crate) fn take(id: &AttachmentId, wait: Duration) -> Result<Self, Error> {
        let AttachmentId {
            container_id,
            ifname,
            ..
        } = id.clone();
        let within_container = AttachmentId {
            network: String::new(),
            container_id,
            ifname,
        };
        let name = format!("host-device-{}", within_container.key());
        let lock = FileLock::named(&name, wait);
        lock.map(Self).map_err(|error| refused(&error))
    }
}

impl Drop for AttachmentLock {
    fn drop(&mut self) {
        // Without this, lock files of deleted containers would accumulate.
        self.0.unlink();
    }
}

fn refused(error: &LockError) -> Error {
    if error.is_held() {
        let error = Error::new(Code::TryAgain, error.to_string());
        return error.details("another verb for this container and interface has not ended");
    }
    Error::new(Code::Io, error.to_string())
}
