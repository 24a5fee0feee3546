//! CHECK.

use cni_types::{CniResult, Error};
use ferrule_net::{NetError, Sandbox, check, routing};
use ferrule_plugin::attached_ips;

use crate::config::Plan;
use crate::device;

/// Compares the container with what ADD does: the VRF, the interface in it, its addresses, and the
/// routes of the previous result in the VRF's table.
pub(crate) fn check(
    sandbox: &Sandbox,
    ifname: &str,
    plan: &Plan,
    result: &CniResult,
) -> Result<(), Error> {
    let link = sandbox.link(&plan.name)?;
    let vrf = device::expect(&link, plan)?;
    let place = sandbox.netns().path().display().to_string();
    check::up(&link, &place)?;
    let link = sandbox.link(ifname)?;
    if link.master != Some(vrf.index) {
        let name = &plan.name;
        return Err(
            NetError::Mismatch(format!("interface {ifname:?} is not in the VRF {name:?}")).into(),
        );
    }
    check::up(&link, &place)?;
    let present = sandbox
        .addresses(link.index, None)
        .map_err(NetError::from)?;
    let routes = routing::routes(sandbox, Some(vrf.table), Some(link.index))?;
    let routes: Vec<_> = routes.into_iter().map(|copy| copy.entry).collect();
    for ip in attached_ips(result, ifname) {
        if !present
            .iter()
            .any(|one| one.address == ip.address.network())
        {
            let address = ip.address;
            return Err(NetError::Mismatch(format!(
                "interface {ifname:?} lacks the address {address}"
            ))
            .into());
        }
        for dst in check::destinations(result, &ip) {
            check::route_among(&routes, dst, ifname, vrf.table)?;
        }
    }
    Ok(())
}
