//! STATUS: whether an ADD could work now.

use cni_types::{Code, Error};
use ferrule_kernel::Link;

use super::plugin::{Master, MasterName};
use crate::master::{MasterNetns, checked_mtu};
use crate::{Host, NetError};

/// Fails (code 50) if the kernel neither has nor can load the driver for links of this kind.
pub(super) fn ensure_driver(kind: &str) -> Result<(), Error> {
    let host = Host::open()?;
    if host.has_driver(kind).map_err(NetError::from)? {
        return Ok(());
    }
    Err(Error::new(
        Code::NotAvailable,
        format!("the kernel has no driver for links of kind {kind}"),
    )
    .details(format!("load its module: modprobe rtnl-link-{kind}")))
}

/// Why an ADD would fail, as an answer to STATUS (code 50).
pub fn unavailable(error: impl Into<Error>) -> Error {
    let mut error = error.into();
    error.code = Code::NotAvailable as u32;
    error
}

/// Looks at the master as an ADD does; fails (code 50) if it is not there or too small. One that
/// is looked for in the container cannot be seen without a container, nor one that a plugin before
/// this one will tell.
pub(super) fn ensure_master(master: &Master<'_>, mtu: i64) -> Result<Option<Link>, Error> {
    if master.in_container || matches!(master.name, MasterName::Open) {
        return Ok(None);
    }
    let parent = MasterNetns::Host(Host::open()?)
        .find(&master.name)
        .map_err(unavailable)?;
    checked_mtu(mtu, &parent)?;
    Ok(Some(parent))
}
