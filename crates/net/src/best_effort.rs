//! Kernel settings that make things better, but that can be done without.

use std::io::ErrorKind;

use ferrule_kernel::{SysctlError, sysctl};

use crate::NetError;

/// Sets a setting where that is possible.
///
/// A kernel without IPv6 lacks many. Where the plugins run in a container of their own, `/proc/sys`
/// often is read-only, and the administrator sets what is needed from outside.
pub(crate) fn write_best_effort(setting: &str, value: &str) -> Result<(), NetError> {
    match sysctl::write(setting, value) {
        Err(SysctlError::Write { source, .. }) if is_out_of_reach(source.kind()) => Ok(()),
        outcome => Ok(outcome?),
    }
}

fn is_out_of_reach(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound | ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied
    )
}
