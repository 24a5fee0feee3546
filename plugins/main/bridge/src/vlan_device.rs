//! The interface `<bridge>.<vlan>`, through which the host is in a VLAN: one end of a veth pair whose
//! other end is a port of the bridge. All containers of the VLAN share it, and it is never removed.

use ferrule_kernel::{Link, LinkChange, Netns, VethPair};
use ferrule_net::{Host, NetError, veth};

use crate::config::Plan;
use crate::port;
use crate::vlan::VlanPlan;

/// Creates the interface if it is missing, completes it if it is down, and returns it.
///
/// It is brought up last: one that is down may be incomplete, because its ADD was killed or is still
/// running. Two processes may complete it at the same time.
pub(crate) fn ensure(host: &Host, bridge: &Link, vlan: u16, plan: &Plan) -> Result<Link, NetError> {
    let name = format!("{}.{vlan}", bridge.name);
    let found = match host.link_by_name(&name)? {
        Some(device) => device,
        None => create(host, bridge, vlan, &name)?,
    };
    match found.kind.as_deref() {
        Some("veth") if !found.up => complete(host, bridge, vlan, plan, &found)?,
        Some("veth") => {}
        // Created by the administrator.
        Some("vlan") => host.execute(LinkChange::new(found.index).up().message())?,
        kind => {
            return Err(NetError::Unusable(format!(
                "interface {name:?} on the host is of kind {}, so it cannot be the gateway of VLAN {vlan}: rename it or choose another bridge",
                kind.unwrap_or("none")
            )));
        }
    }
    Ok(found)
}

fn create(host: &Host, bridge: &Link, vlan: u16, name: &str) -> Result<Link, NetError> {
    let host_netns = Netns::current()?;
    let pair = VethPair {
        name,
        peer: &format!("veth{vlan:04x}{:04x}", bridge.index & 0xffff),
        peer_netns: host_netns.fd(),
        mtu: Some(bridge.mtu),
        peer_mac: None,
        master: None,
        group: 0,
        up: false,
    };
    match host.execute(pair.create()) {
        // Another ADD has just created it.
        Err(error) if error.is_exists() => {}
        outcome => outcome?,
    }
    host.link(name)
}

/// Connects the interface with the bridge and brings it up.
fn complete(
    host: &Host,
    bridge: &Link,
    vlan: u16,
    plan: &Plan,
    device: &Link,
) -> Result<(), NetError> {
    let port = veth::peer_on_host(host, device)?.ok_or_else(|| {
        NetError::Unusable(format!(
            "interface {:?} has no peer on the host: remove it",
            device.name
        ))
    })?;
    host.execute(
        LinkChange::new(port.index)
            .master(bridge.index)
            .up()
            .message(),
    )?;
    let vlans = VlanPlan {
        access: Some(vlan),
        trunk: vec![],
        filtering: true,
        preserve_default: plan.vlan.preserve_default,
    };
    port::set_vlans(host, port.index, &vlans)?;
    veth::refuse_router_advertisements(&device.name)?;
    veth::skip_duplicate_detection(&device.name)?;
    Ok(host.execute(LinkChange::new(device.index).up().message())?)
}
