//! Verbs that involve both the plugin and its IPAM plugin.

use cni_types::Error;

use crate::Ipam;

/// DEL: removes the link and releases the addresses. Runs both even if one fails.
///
/// A local IPAM plugin releases the addresses while the kernel removes the link, which takes 17 to
/// 50 ms. Any other IPAM plugin runs first: DHCP needs the link.
pub fn detach<E: Into<Error>>(
    ipam: Option<Ipam>,
    remove: impl FnOnce() -> Result<(), E>,
) -> Result<(), Error> {
    let Some(ipam) = ipam else {
        return remove().map_err(E::into);
    };
    if ipam.is_local() {
        let release = ipam.start_del();
        let removed = remove().map_err(E::into);
        let released = release.and_then(crate::PendingDel::finish);
        Error::join([removed, released])
    } else {
        let released = ipam.del();
        Error::join([released, remove().map_err(E::into)])
    }
}

/// GC: removes what the plugin itself has left and runs GC of the IPAM plugin. Runs both even if one
/// fails.
pub fn collect<E: Into<Error>>(
    ipam: Option<Ipam>,
    collect: impl FnOnce() -> Result<(), E>,
) -> Result<(), Error> {
    let own = collect().map_err(E::into);
    Error::join([own, ipam.map_or(Ok(()), |ipam| ipam.gc())])
}
