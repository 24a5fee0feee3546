//! `route_localnet`, for connections from the host's loopback address to a container.
//!
//! The kernel drops packets with an address of 127.0.0.0/8 at interfaces without this setting
//! (`IN_DEV_ROUTE_LOCALNET` in net/ipv4/route.c). The source is masqueraded before the packet leaves;
//! the setting only makes it routable. IPv6 has no such setting.

use std::net::IpAddr;

use cni_types::Error;
use ferrule_kernel::sysctl;
use ferrule_net::{Host, NetError};

use crate::port_rules::missing;

/// Sets it on the interface of the route to a container's IPv4 address: the bridge of its network, or
/// the host's end of its pair. It is never reset, as others may rely on it.
pub(crate) fn enable(address: IpAddr) -> Result<(), NetError> {
    if let Some(setting) = setting(address)? {
        let enabled = sysctl::enable(&setting).map_err(NetError::from);
        enabled.map_err(|e| Error::from(e).context("unable to enable route_localnet"))?;
    }
    Ok(())
}

/// Fails if it is off, where there is a route to the container.
pub(crate) fn check(address: IpAddr) -> Result<(), NetError> {
    match setting(address)? {
        Some(setting) if sysctl::read(&setting)? != "1" => Err(missing(
            &format_args!("kernel setting {setting}"),
            "value 1, for connections from localhost,",
        )),
        _ => Ok(()),
    }
}

/// The name of the setting.
fn setting(address: IpAddr) -> Result<Option<String>, NetError> {
    let host = Host::open()?;
    let Some(index) = host.route_to(address)?.and_then(|route| route.oif) else {
        return Ok(None);
    };
    let link = host.link_by_index(index)?;
    Ok(link.map(|link| format!("net/ipv4/conf/{}/route_localnet", link.name)))
}
