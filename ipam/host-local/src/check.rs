//! CHECK and STATUS.

use std::net::IpAddr;
use std::path::Path;

use cni_types::{CniResult, Code, Error, Request};
use ferrule_plugin::log;

use crate::candidates::candidates;
use crate::range_set::RangeSet;
use crate::store::reservation::Owner;
use crate::store::{HeldReservation, Store, Taken, check_writable};

/// Fails unless the attachment holds a reservation, and holds every address it was given.
///
/// An address of the previous result that is not reserved for the attachment would be allocated to
/// another container. Only addresses of these ranges on the attachment's own interface count: other
/// plugins of the network may have added more.
pub(crate) fn check_held(
    store: Option<&mut Store>,
    sets: &[RangeSet],
    request: &Request,
    owner: &Owner,
) -> Result<(), Error> {
    let Some(store) = store else {
        return judge(&[], sets, request, owner);
    };
    let by_index = store.held_by(owner)?;
    if judge(&by_index, sets, request, owner).is_ok() {
        return Ok(());
    }
    // Before anybody is accused, the files themselves are asked.
    store.inventory()?;
    judge(&store.held_by(owner)?, sets, request, owner)
}

fn judge(
    held: &[HeldReservation],
    sets: &[RangeSet],
    request: &Request,
    owner: &Owner,
) -> Result<(), Error> {
    let (id, ifname) = (owner.container_id(), &request.ifname);
    if held.is_empty() {
        let msg = format!("host-local: Failed to find address added by container {id}");
        return Err(Error::internal(msg).details(format!(
            "no reservation names this container and {ifname:?}; send DEL, then ADD"
        )));
    }
    // A previous result that cannot be read is not this plugin's to judge.
    let shown = request.prev_result().ok().flatten().unwrap_or_default();
    let of_pool = |address: &IpAddr| sets.iter().any(|set| set.contains(*address));
    let is_held = |address: &IpAddr| held.iter().any(|h| h.reservation.address == *address);
    match given(&shown, ifname).find(|address| of_pool(address) && !is_held(address)) {
        None => Ok(()),
        Some(address) => Err(Error::internal(format!(
            "host-local: address {address} of container {id} on {ifname:?} is not reserved for it"
        ))
        .details("another container may get it as well; send DEL, then ADD")),
    }
}

/// The addresses that a result shows on the interface, or on none in particular.
fn given<'r>(result: &'r CniResult, ifname: &'r str) -> impl Iterator<Item = IpAddr> + 'r {
    result
        .ips
        .iter()
        .filter(move |ip| result.interface_of(ip).is_none_or(|i| i.name == ifname))
        .map(|ip| ip.address.address())
}

/// Fails (code 50) if no ADD could write a reservation, and tells the operator if none would find
/// room: a full set is no failure, as the next DEL makes room, but kubelet would take the node for
/// broken. The lock is not taken, so that nobody who holds it is waited for.
pub(crate) fn check_available(
    data_dir: &Path,
    network: &str,
    sets: &[RangeSet],
) -> Result<(), Error> {
    let usable = check_writable(data_dir, network);
    let taken = Taken::read(&data_dir.join(network)).map_err(not_available)?;
    match usable {
        Err(error) if error.is_full() && !taken.is_empty() => {
            log(format_args!("host-local: {error}"));
        }
        other => other.map_err(not_available)?,
    }
    for set in sets {
        if candidates(set, None).all(|candidate| taken.contains(candidate.address)) {
            log(format_args!(
                "host-local: no IP addresses available in range set: {set}"
            ));
        }
    }
    Ok(())
}

/// The same error with code 50.
pub(crate) fn not_available(error: impl Into<Error>) -> Error {
    Error {
        code: Code::NotAvailable as u32,
        ..error.into()
    }
}
