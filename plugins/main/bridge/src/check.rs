//! Whether an attachment is as ADD left it.

use cni_types::{CniResult, Error, Interface, Request};
use ferrule_kernel::Link;
use ferrule_net::spoofcheck::SpoofCheck;
use ferrule_net::{AttachmentId, Host, NetError, Sandbox, check, veth};

use crate::config::Plan;

/// Compares bridge, pair, addresses, routes and packet filter with the previous result.
pub(crate) fn attachment(
    request: &Request,
    plan: &Plan,
    recorded: &CniResult,
) -> Result<(), Error> {
    let (port, inside) = wiring(request, plan, recorded)?;
    let id = AttachmentId::from(request);
    if let Some(wish) = plan.masquerade {
        wish.check(&id, recorded)?;
    }
    match inside.mac.filter(|_| plan.spoof_check) {
        Some(mac) => Ok(SpoofCheck::of(&id).check(&port.name, mac)?),
        None => Ok(()),
    }
}

/// The host's and the container's end, if they, their addresses and routes are as recorded.
fn wiring(request: &Request, plan: &Plan, recorded: &CniResult) -> Result<(Link, Link), NetError> {
    let host = Host::open()?;
    let sandbox = Sandbox::open(&request.netns)?;
    let bridge = bridge(&host, plan, recorded)?;
    let path = request.sandbox();
    let entry = check::recorded_interface(recorded, &request.ifname, &path)?;
    let inside = check::link(
        sandbox.link_by_name(&request.ifname)?,
        entry,
        &path,
        veth::KIND,
    )?;
    if plan.container_up {
        check::up(&inside, &path)?;
    }
    let port = port(&host, &bridge, &inside, recorded)?;
    check::addresses(&sandbox, &inside, recorded)?;
    check::routes(&sandbox, recorded)?;
    Ok((port, inside))
}

/// The bridge, with the recorded hardware address and the configured mode.
fn bridge(host: &Host, plan: &Plan, recorded: &CniResult) -> Result<Link, NetError> {
    let on_host = |i: &&Interface| i.name == plan.bridge && i.sandbox.is_empty();
    let entry = recorded.interfaces.iter().find(on_host).ok_or_else(|| {
        NetError::Mismatch(format!(
            "prevResult has no bridge {:?} on the host",
            plan.bridge
        ))
    })?;
    let link = check::link(
        host.link_by_name(&plan.bridge)?,
        entry,
        "the host",
        "bridge",
    )?;
    check::up(&link, "the host")?;
    if plan.promiscuous && link.promiscuity == 0 {
        return Err(NetError::Mismatch(format!(
            "bridge {:?} is not in promiscuous mode, expected promiscMode true",
            plan.bridge
        )));
    }
    Ok(link)
}

/// The host end: the recorded peer of the container's end, and a port of the bridge.
fn port(host: &Host, bridge: &Link, inside: &Link, recorded: &CniResult) -> Result<Link, NetError> {
    let port = check::recorded_peer(host, inside, recorded)?;
    if port.master != Some(bridge.index) {
        return Err(NetError::Mismatch(format!(
            "host interface {:?} is not a port of bridge {:?}",
            port.name, bridge.name
        )));
    }
    Ok(port)
}
