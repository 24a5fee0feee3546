//! The parts of a verb that belong to the plugin and to its address plugin.

use cni_types::Error;

use crate::Ipam;

/// DEL: removes the link and releases the addresses, each whatever becomes of the other.
///
/// Removing a link takes the kernel 17 to 50 ms, which an address plugin that only keeps books uses
/// to release the addresses. Any other releases them first: one that speaks DHCP needs the link.
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
        join([removed, released])
    } else {
        let released = ipam.del();
        join([released, remove().map_err(E::into)])
    }
}

/// GC: collects the plugin's own leftovers and has the address plugin collect its, each whatever
/// becomes of the other.
pub fn collect<E: Into<Error>>(
    ipam: Option<Ipam>,
    collect: impl FnOnce() -> Result<(), E>,
) -> Result<(), Error> {
    let own = collect().map_err(E::into);
    join([own, ipam.map_or(Ok(()), |ipam| ipam.gc())])
}

/// All errors of steps that did not stop each other, as one.
pub fn join<const N: usize>(outcomes: [Result<(), Error>; N]) -> Result<(), Error> {
    let errors = outcomes.into_iter().filter_map(Result::err).collect();
    Error::join(errors).map_or(Ok(()), Err)
}
