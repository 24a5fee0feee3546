//! STATUS: checks what an ADD needs.

use cni_types::{Code, Error};
use ferrule_kernel::Link;

use super::plugin::{Master, MasterName};
use crate::master::{MasterNetns, checked_mtu};
use crate::{Host, NetError};

/// Fails (code 50) if the kernel neither has nor can load the driver for links of this kind.
pub fn ensure_driver(kind: &str) -> Result<(), NetError> {
    if Host::open()?.has_driver(kind)? {
        return Ok(());
    }
    let msg = format!("the kernel has no driver for links of kind {kind}");
    let hint = format!("load its module: modprobe rtnl-link-{kind}");
    Err(Error::new(Code::NotAvailable, msg).details(hint).into())
}

/// Turns the error of an ADD into one of STATUS (code 50).
pub fn unavailable(error: impl Into<Error>) -> Error {
    let mut error = error.into();
    error.code = Code::NotAvailable as u32;
    error
}

/// Looks up the master as ADD does; fails (code 50) if it is missing or its MTU is too small. A
/// master in the container, or one that the previous plugin determines, is not known to STATUS.
pub(super) fn ensure_master(master: &Master<'_>, mtu: i64) -> Result<Option<Link>, Error> {
    if master.in_container || matches!(master.name, MasterName::Open) {
        return Ok(None);
    }
    let link = MasterNetns::Host(Host::open()?)
        .find(&master.name)
        .map_err(unavailable)?;
    checked_mtu(mtu, &link)?;
    Ok(Some(link))
}
