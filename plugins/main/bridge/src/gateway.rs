//! The host as the containers' gateway: its addresses on the bridge, or on the interface of the VLAN.

use cni_types::{Cidr, CniResult, Interface, Route};
use ferrule_kernel::{Address, Family, Link, LinkChange, Mac};
use ferrule_net::{Host, NetError, addressing, forwarding, host_entry};

use crate::config::Plan;
use crate::device::{random_mac, vlan_error};
use crate::vlan_device;

/// Adds the gateways and default routes of `isGateway` and `isDefaultGateway` to the result.
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

/// Adds every gateway of the result to the host and enables forwarding.
///
/// `bridge` is the bridge as it was before the container's port: it keeps that MAC address. With a VLAN
/// the gateway is on another interface, which is added to the result.
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
            result.interfaces.push(host_entry(&device));
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

/// Adds the address unless the device has it. Another IPv4 address, or an IPv6 address of an overlapping
/// network, is a conflict: it is replaced with `forceAddress`, otherwise an error.
///
/// Returns the MAC address if this call has fixed it.
fn ensure_address(
    host: &Host,
    device: &Link,
    wanted: Cidr,
    replace: bool,
) -> Result<Option<Mac>, NetError> {
    let present = host.addresses(device.index, Some(Family::of(wanted.address())))?;
    for other in conflicts(&present, wanted) {
        if !replace {
            return Err(conflict(&device.name, wanted, other));
        }
        host.delete_address(device.index, other.network())?;
    }
    if present
        .iter()
        .any(|found| Cidr::from(found.address) == wanted)
    {
        return Ok(None);
    }
    let exists = addressing::ensure_address(host, device.index, wanted)?;
    match device.mac {
        Some(mac) if !exists => Ok(Some(keep_mac(host, device, mac)?)),
        _ => Ok(None),
    }
}

/// The addresses among `present`, those of the device of one family, that `wanted` conflicts with. None
/// does if the device has `wanted`.
pub(crate) fn conflicts(present: &[Address], wanted: Cidr) -> impl Iterator<Item = Cidr> {
    let present: Vec<Cidr> = present.iter().map(|found| found.address.into()).collect();
    let has_it = present.contains(&wanted);
    let is_conflict = move |other: &Cidr| {
        let overlap = other.contains(wanted.address()) || wanted.contains(other.address());
        !has_it && (wanted.is_ipv4() || overlap)
    };
    present.into_iter().filter(is_conflict)
}

/// The error of ADD, and of STATUS.
pub(crate) fn conflict(device: &str, wanted: Cidr, other: Cidr) -> NetError {
    NetError::Unusable(format!(
        "{device:?} already has an IP address different from {wanted}: it has {other}; remove that address, change the network's gateway, or set forceAddress"
    ))
}

/// Fixes the MAC address of the device: once it is set by hand, that of a bridge no longer changes with
/// its ports. A bridge created by this plugin has such an address from the start.
///
/// A bridge that has the address of a port gets a new one, because the port keeps its own.
fn keep_mac(host: &Host, device: &Link, mac: Mac) -> Result<Mac, NetError> {
    let ports = host.ports(device.index)?;
    let is_of_port = ports.iter().any(|port| port.mac == Some(mac));
    let own = if is_of_port { random_mac() } else { mac };
    host.execute(LinkChange::new(device.index).mac(own).message())?;
    Ok(own)
}
