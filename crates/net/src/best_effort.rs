//! Sysctls that improve the network, but that it works without.

use std::io::ErrorKind;

use ferrule_kernel::sysctl;

use crate::NetError;

/// Writes a sysctl where that is possible.
///
/// A kernel without IPv6 lacks many sysctls. Where plugins run in a container, `/proc/sys` is often
/// read-only, and the administrator sets what is needed from outside.
pub(crate) fn write_best_effort(setting: &str, value: &str) -> Result<(), NetError> {
    match sysctl::write(setting, value) {
        Err(error) if is_unavailable(error.kind()) => Ok(()),
        outcome => Ok(outcome?),
    }
}

fn is_unavailable(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound | ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied
    )
}
