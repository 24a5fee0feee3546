//! Changing the interface when a lease comes to have another address or other routes, or none.

use cni_types::{CniResult, Interface, IpConfig, Route};
use ferrule_kernel::{Family, IpNetwork, NewRoute, addr};
use ferrule_net::NetError;
use ferrule_net::addressing::{Options, announce_addresses, configure};

use crate::lease::{Lease, Place};
use crate::place::{Entered, PlaceError};

/// The result of ADD that leases stand for.
pub(crate) fn result(leases: &[Lease]) -> CniResult {
    let mut result = CniResult::default();
    for lease in leases {
        result.ips.push(IpConfig {
            interface: None,
            address: lease.address,
            gateway: lease.gateway,
        });
        result.routes.extend_from_slice(&lease.routes);
        let dns = &lease.dns;
        append(&mut result.dns.nameservers, dns.nameservers.as_ref());
        append(&mut result.dns.search, dns.search.as_ref());
        if result.dns.domain.is_empty() {
            result.dns.domain.clone_from(&dns.domain);
        }
    }
    result
}

fn append(list: &mut Option<Vec<String>>, more: Option<&Vec<String>>) {
    if let Some(more) = more {
        list.get_or_insert_default().extend_from_slice(more);
    }
}

/// Takes off the interface what `old` has and `new` has not, and adds what `new` has. Either may be
/// there already, or gone.
pub(crate) fn apply(
    place: &Place,
    old: Option<&Lease>,
    new: Option<&Lease>,
) -> Result<(), PlaceError> {
    let Entered { sandbox, link } = place.enter()?;
    if let Some(old) = old {
        let stays = |route: &&Route| new.is_none_or(|new| !new.routes.contains(route));
        for route in old.routes.iter().filter(stays) {
            let route = NewRoute {
                gateway: route.gw.filter(|gateway| !gateway.is_unspecified()),
                oif: Some(link.index),
                priority: (route.priority > 0).then_some(route.priority),
                ..NewRoute::to(route.dst.masked().network())
            };
            tolerate_absence(sandbox.execute(route.delete()))?;
        }
        if new.is_none_or(|new| new.address != old.address) {
            let address = old.address.address();
            let family = Family::of(address);
            let found = sandbox
                .addresses(link.index, Some(family))
                .map_err(NetError::from)?;
            // The plugin that made the interface may have given it another prefix.
            for found in found.iter().filter(|found| found.address.ip() == address) {
                remove(&sandbox, link.index, found.address)?;
            }
        }
    }
    let Some(new) = new else {
        return Ok(());
    };
    let family = Family::of(new.address.address());
    let has = sandbox
        .addresses(link.index, Some(family))
        .map_err(NetError::from)?;
    let mut wanted = result(std::slice::from_ref(new)).with_interfaces(
        vec![Interface {
            name: link.name.clone(),
            ..Interface::default()
        }],
        0,
    );
    if has
        .iter()
        .any(|has| has.address.ip() == new.address.address())
    {
        wanted.ips.clear();
    }
    let link = configure(&sandbox, &link, &wanted, &Options::default())?;
    announce_addresses(&sandbox, &link);
    Ok(())
}

fn remove(sandbox: &ferrule_net::Sandbox, index: u32, address: IpNetwork) -> Result<(), NetError> {
    tolerate_absence(sandbox.execute(addr::delete(index, address)))
}

fn tolerate_absence(outcome: Result<(), ferrule_kernel::NetlinkError>) -> Result<(), NetError> {
    match outcome {
        Err(error) if error.is_not_found() => Ok(()),
        other => Ok(other?),
    }
}
