//! One verb at a time for an attachment: what ADD has written down and half moved looks to another
//! ADD as if it had been left by a killed one.

use std::time::Duration;

use cni_types::{Code, Error};
use ferrule_file::{FileLock, LockError};
use ferrule_net::AttachmentId;

/// The lock of an attachment until this value is dropped.
pub(crate) struct AttachmentLock(FileLock);

impl AttachmentLock {
    /// Waits until no other verb is at work on the attachment, whatever the network is called.
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
        // Containers come and go: their files must not add up.
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
