//! Forwarding between the host's interfaces.

use std::net::IpAddr;

use ferrule_kernel::sysctl;

use crate::NetError;

/// Enables forwarding for each address family in `addresses`. It is never disabled, since other
/// networks of the node need it.
pub fn enable(addresses: impl IntoIterator<Item = IpAddr>) -> Result<(), NetError> {
    let (mut ipv4, mut ipv6) = (false, false);
    for address in addresses {
        if address.is_ipv4() {
            ipv4 = true;
        } else {
            ipv6 = true;
        }
    }
    if ipv4 {
        sysctl::enable("net/ipv4/ip_forward")?;
    }
    if ipv6 {
        sysctl::enable("net/ipv6/conf/all/forwarding")?;
    }
    Ok(())
}
