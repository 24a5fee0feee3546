//! CHECK and STATUS: what they look at beyond the configuration.

use std::net::IpAddr;
use std::path::Path;

use cni_types::{CniResult, Code, Error, Request};

use crate::pool::candidates;
use crate::refusal::Full;
use crate::set::RangeSet;
use crate::store::reservation::Owner;
use crate::store::{Held, Store, check_usable};

/// Fails unless the attachment holds a reservation, and holds every address it was given.
///
/// An address that the previous result shows and that is not reserved for it will be handed out to
/// another container. Only addresses of this pool count, and only those on the attachment's own
/// interface: other plugins of the network may have added more.
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

fn judge(held: &[Held], sets: &[RangeSet], request: &Request, owner: &Owner) -> Result<(), Error> {
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

/// Fails (code 50) if reservations cannot be written, or if one of the sets has no free address.
pub(crate) fn check_available(
    data_dir: &Path,
    network: &str,
    sets: &[RangeSet],
) -> Result<(), Error> {
    check_usable(data_dir, network).map_err(not_available)?;
    let Some(mut store) = Store::open(data_dir, network).map_err(not_available)? else {
        return Ok(());
    };
    let taken = store.taken().map_err(not_available)?;
    for set in sets {
        if candidates(set, None).any(|candidate| !taken.contains(candidate.address)) {
            continue;
        }
        let reservations = store.inventory().map_err(not_available)?.reservations;
        // ADD reclaims empty files.
        if !reservations
            .iter()
            .any(|r| r.is_empty() && set.contains(r.address))
        {
            let full = Full::new(set, &reservations);
            let details = full.details();
            return Err(Error::new(Code::NotAvailable, full.to_string()).details(details));
        }
    }
    Ok(())
}

/// Any failure as what it means for ADD.
pub(crate) fn not_available(error: impl Into<Error>) -> Error {
    Error {
        code: Code::NotAvailable as u32,
        ..error.into()
    }
}
