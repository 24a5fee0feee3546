//! The host as the containers' gateway: its addresses on the bridge, or on the VLAN's own device.

use cni_types::{Cidr, CniResult, Interface, Route};
use ferrule_kernel::{Family, Link, LinkChange};
use ferrule_net::{Host, NetError, addressing, forwarding};

use crate::config::Plan;
use crate::device::vlan_error;
use crate::vlan_device;

/// Fills in the gateways and default routes that the configuration asks for.
pub(crate) fn plan_routes(result: &mut CniResult, plan: &Plan) {
    if !plan.is_gateway {
        return;
    }
    for ip in &mut result.ips {
        ip.gateway = ip.gateway.or_else(|| addressing::first_address(ip.address));
        let default = Cidr::default_route(ip.address.address());
        let present =
            |route: &Route| route.is_default() && route.dst.is_ipv4() == default.is_ipv4();
        if plan.is_default_gateway && !result.routes.iter().any(present) {
            result.routes.push(Route::new(default, ip.gateway));
        }
    }
}

/// Puts every gateway of the result on the host and turns forwarding on.
///
/// With a VLAN the gateway's device is not the bridge; it is added to the result then.
pub(crate) fn ensure(
    host: &Host,
    bridge: &Link,
    plan: &Plan,
    result: &mut CniResult,
) -> Result<(), NetError> {
    let gateways: Vec<Cidr> = result
        .ips
        .iter()
        .filter_map(|ip| Cidr::new(ip.gateway?, ip.address.prefix()))
        .collect();
    if gateways.is_empty() || !plan.is_gateway {
        return Ok(());
    }
    let device = match plan.vlan.access {
        None => bridge.clone(),
        Some(vlan) => {
            let device = vlan_device::ensure(host, bridge, vlan, plan).map_err(vlan_error)?;
            result.interfaces.push(Interface {
                name: device.name.clone(),
                mac: device.mac.map(|mac| mac.to_string()).unwrap_or_default(),
                ..Interface::default()
            });
            device
        }
    };
    for gateway in &gateways {
        ensure_address(host, &device, *gateway, plan.force_address)?;
    }
    forwarding::enable(gateways.iter().map(Cidr::address))?;
    addressing::wait_until_local(host, gateways.iter().map(Cidr::address))
}

/// Adds the address unless the device has it. Another IPv4 address, or an IPv6 one of an overlapping
/// network, is a conflict: replaced if the user says so, else an error.
fn ensure_address(host: &Host, device: &Link, wanted: Cidr, replace: bool) -> Result<(), NetError> {
    let present = host.addresses(device.index, Some(Family::of(wanted.address())))?;
    if present
        .iter()
        .any(|found| Cidr::from(found.address) == wanted)
    {
        return Ok(());
    }
    for found in present {
        let other = Cidr::from(found.address);
        let overlap = other.contains(wanted.address()) || wanted.contains(other.address());
        if !wanted.is_ipv4() && !overlap {
            continue;
        }
        if !replace {
            return Err(NetError::Unusable(format!(
                "{:?} already has an IP address different from {wanted}: it has {other}; remove that address, change the network's gateway, or set forceAddress",
                device.name
            )));
        }
        host.delete_address(device.index, found.address)?;
    }
    let another_add_was_faster = addressing::ensure_address(host, device.index, wanted)?;
    match device.mac {
        // Set by hand, the hardware address of a bridge no longer follows the ports as they come
        // and go. A bridge of ours has been born like that.
        Some(mac) if !another_add_was_faster => {
            Ok(host.execute(LinkChange::new(device.index).mac(mac).message())?)
        }
        _ => Ok(()),
    }
}
