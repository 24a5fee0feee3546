//! CHECK: compares an attachment with the result of ADD.

use cni_types::{CniResult, Error, Request};
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
    let (port, container) = links(request, plan, recorded)?;
    let id = AttachmentId::of(request);
    if let Some(masquerade) = plan.masquerade {
        masquerade.check(&id, recorded)?;
    }
    match container.mac.filter(|_| plan.spoof_check) {
        Some(mac) => Ok(SpoofCheck::of(&id).check(&port.name, mac)?),
        None => Ok(()),
    }
}

/// Compares the links, addresses and routes. Returns the host end and the container end.
fn links(request: &Request, plan: &Plan, recorded: &CniResult) -> Result<(Link, Link), NetError> {
    let (host, sandbox) = (Host::open()?, Sandbox::open(&request.netns)?);
    let bridge = bridge(&host, plan, recorded)?;
    let (container, _) = check::container_link(&sandbox, request, recorded, veth::KIND)?;
    if plan.container_up {
        check::up(&container, &request.sandbox())?;
    }
    let port = check::recorded_peer(&host, &container, recorded)?;
    if port.master != Some(bridge.index) {
        return Err(NetError::Mismatch(format!(
            "host interface {:?} is not a port of bridge {:?}",
            port.name, bridge.name
        )));
    }
    check::addresses(&sandbox, &container, recorded)?;
    check::routes(&sandbox, recorded)?;
    Ok((port, container))
}

/// The bridge, with the recorded MAC address and the configured mode.
fn bridge(host: &Host, plan: &Plan, recorded: &CniResult) -> Result<Link, NetError> {
    let entry = check::recorded_host_interface(recorded, &plan.bridge)?;
    let found = host.link_by_name(&plan.bridge)?;
    let link = check::link(found, entry, "the host", "bridge")?;
    check::up(&link, "the host")?;
    if plan.promiscuous && link.promiscuity == 0 {
        return Err(NetError::Mismatch(format!(
            "bridge {:?} is not in promiscuous mode, expected promiscMode true",
            plan.bridge
        )));
    }
    Ok(link)
}
