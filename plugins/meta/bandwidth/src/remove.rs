//! Removal of limits from the host end of a pair that stays.

use cni_types::{CniResult, Request};
use ferrule_kernel::{Errno, Link, NetlinkError, Tbf, tc};
use ferrule_net::{Host, NetError};

use crate::host_end;

/// Removes limit and redirection from the host end, if it is found. Queueing disciplines of others
/// stay.
pub(crate) fn from_host_end(
    host: &Host,
    request: &Request,
    previous: Option<&CniResult>,
    ifbs: &[Link],
) -> Result<(), NetError> {
    let Some(host_end) = host_end::find_for_del(host, request, previous)? else {
        return Ok(());
    };
    let index = host_end.index;
    if is_redirected(host, index, ifbs)? {
        gone(host.execute(tc::delete_ingress(index)))?;
    }
    let root = host.root_qdisc(index)?;
    if root.is_some_and(|qdisc| qdisc.kind == Tbf::KIND) {
        gone(host.execute(tc::delete_root(index)))?;
    }
    Ok(())
}

/// Whether all ingress of a link is redirected to these links, or to a removed one (whose index reads
/// as 0).
fn is_redirected(host: &Host, index: u32, ifbs: &[Link]) -> Result<bool, NetError> {
    let qdisc = host.ingress_qdisc(index)?;
    if qdisc.is_none_or(|qdisc| qdisc.kind != "ingress") {
        return Ok(false);
    }
    let targets = |index: u32| index == 0 || ifbs.iter().any(|ifb| ifb.index == index);
    let filters = host.ingress_filters(index)?;
    Ok(filters
        .iter()
        .all(|filter| filter.redirect.is_some_and(targets)))
}

/// Ignores a missing object or link, and another object in its place (`EINVAL`: its handle differs).
pub(crate) fn gone(removed: Result<(), NetlinkError>) -> Result<(), NetError> {
    match removed {
        Err(error) if error.is_not_found() || error.errno() == Some(Errno::EINVAL) => Ok(()),
        other => Ok(other?),
    }
}
