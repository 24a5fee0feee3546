//! Letting connections from the host's own loopback address out to a container.
//!
//! The kernel drops packets with an address of 127.0.0.0/8 that leave the host or come in, unless
//! the interface may have them (`route_localnet`). The source is masqueraded before such a packet
//! leaves; the setting only lets it get that far. There is nothing of the kind for IPv6.

use std::net::IpAddr;

use ferrule_kernel::sysctl;
use ferrule_net::Host;

use crate::error::PortmapError;

/// Switches it on for the interface that leads to a container's IPv4 address: the bridge of its
/// network, or the host's end of its pair. It is never switched off, as others may rely on it.
pub(crate) fn enable(address: IpAddr) -> Result<(), PortmapError> {
    if let Some(setting) = setting(address)? {
        sysctl::enable(&setting)?;
    }
    Ok(())
}

/// Whether it is on, where there is a way to the container.
pub(crate) fn check(address: IpAddr) -> Result<(), PortmapError> {
    match setting(address)? {
        Some(setting) if sysctl::read(&setting)? != "1" => Err(PortmapError::missing(
            &format_args!("kernel setting {setting}"),
            "value 1, for connections from localhost,",
        )),
        _ => Ok(()),
    }
}

/// The name of the setting.
fn setting(address: IpAddr) -> Result<Option<String>, PortmapError> {
    let host = Host::open().map_err(PortmapError::Net)?;
    let Some(index) = host.route_to(address)?.and_then(|route| route.oif) else {
        return Ok(None);
    };
    let link = host.link_by_index(index)?;
    Ok(link.map(|link| format!("net/ipv4/conf/{}/route_localnet", link.name)))
}
