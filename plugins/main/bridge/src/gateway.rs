//! The host as the containers' gateway: its addresses on the bridge, or on the VLAN's own device.

use cni_types::{Cidr, CniResult, Interface, Route};
use ferrule_kernel::{Family, Link, LinkChange, Mac};
use ferrule_net::{Host, NetError, addressing, forwarding};

use crate::config::Plan;
use crate::device::{random_mac, vlan_error};
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
/// `bridge` is the bridge as it was before the container's port came: that is the hardware address it
/// keeps. With a VLAN the gateway's device is not the bridge; it is added to the result then.
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
    let mut device = match plan.vlan.access {
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
        if let Some(mac) = ensure_address(host, &device, *gateway, plan.force_address)? {
            let is_device =
                |entry: &&mut Interface| entry.name == device.name && entry.sandbox.is_empty();
            if let Some(entry) = result.interfaces.iter_mut().find(is_device) {
                entry.mac = mac.to_string();
            }
            device.mac = Some(mac);
        }
    }
    forwarding::enable(gateways.iter().map(Cidr::address))?;
    addressing::wait_until_local(host, gateways.iter().map(Cidr::address))
}

/// Adds the address unless the device has it. Another IPv4 address, or an IPv6 one of an overlapping
/// network, is a conflict: replaced if the user says so, else an error.
///
/// Returns the hardware address that the device has been made to keep, if it has.
fn ensure_address(
    host: &Host,
    device: &Link,
    wanted: Cidr,
    replace: bool,
) -> Result<Option<Mac>, NetError> {
    let present = host.addresses(device.index, Some(Family::of(wanted.address())))?;
    if present
        .iter()
        .any(|found| Cidr::from(found.address) == wanted)
    {
        return Ok(None);
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
        Some(mac) if !another_add_was_faster => Ok(Some(keep_mac(host, device, mac)?)),
        _ => Ok(None),
    }
}

/// Makes the device keep its hardware address: set by hand, that of a bridge no longer follows the
/// ports as they come and go. A bridge of ours has been born like that.
///
/// A bridge that has followed a port so far gets another one, as the port keeps that.
fn keep_mac(host: &Host, device: &Link, mac: Mac) -> Result<Mac, NetError> {
    let ports = host.ports(device.index)?;
    let is_a_ports = ports.iter().any(|port| port.mac == Some(mac));
    let own = if is_a_ports { random_mac() } else { mac };
    host.execute(LinkChange::new(device.index).mac(own).message())?;
    Ok(own)
}
