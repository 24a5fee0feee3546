//! Deletes tracked UDP flows of mappings.
//!
//! A flow keeps the destination of its first packet as long as packets arrive. A client that never
//! pauses would keep its old destination after a port is mapped or mapped elsewhere. TCP and SCTP
//! clients reconnect.

use std::collections::HashMap;
use std::net::IpAddr;

use ferrule_kernel::{Family, NetlinkError};
use ferrule_net::{Host, NetError};
use ferrule_netfilter::conntrack::{Conntrack, Flow, FlowFilter};
use ferrule_netfilter::nft::Transport;

use crate::forwarding::Forwarding;
use crate::mapping::Mapping;

/// `RTN_LOCAL` of `linux/rtnetlink.h`: the route to an address of this host.
const LOCAL: u8 = 2;

/// Deletes flows to a mapped port that have another destination than the mapping.
///
/// Flows that the host only forwards to the same port elsewhere stay.
pub(crate) fn delete_earlier_flows(forwardings: &[Forwarding]) -> Result<(), NetError> {
    let mut local = LocalAddresses::default();
    delete_flows(forwardings, |forwarding, flow| {
        flow.reply.source != forwarding.to && local.contains(flow.original.destination.ip())
    })
}

/// Deletes the flows that these removed mappings translated.
pub(crate) fn delete_translated_flows(forwardings: &[Forwarding]) -> Result<(), NetError> {
    delete_flows(forwardings, |forwarding, flow| {
        flow.reply.source == forwarding.to && flow.original.destination != forwarding.to
    })
}

/// Deletes the flows of removed mappings with an unknown container address: those to the host's port
/// that were translated to the container's port of any address.
pub(crate) fn delete_unknown_flows(mappings: &[Mapping]) -> Result<(), NetError> {
    let udp = mappings.iter().filter(|m| m.transport == Transport::Udp);
    let mut conntrack = None;
    let mut local = LocalAddresses::default();
    for mapping in udp {
        for family in [Family::V4, Family::V6] {
            if !mapping.is_of(family) {
                continue;
            }
            delete_port_flows(
                &mut conntrack,
                family,
                mapping.only(),
                mapping.host_port,
                |flow| {
                    let (from, to) = (flow.original.destination, flow.reply.source);
                    from.ip() != to.ip()
                        && to.port() == mapping.container_port
                        && local.contains(from.ip())
                },
            )?;
        }
    }
    Ok(())
}

fn delete_flows(
    forwardings: &[Forwarding],
    mut meant: impl FnMut(&Forwarding, &Flow) -> bool,
) -> Result<(), NetError> {
    let mut conntrack = None;
    for forwarding in forwardings {
        if forwarding.transport == Transport::Udp {
            let family = Family::of(forwarding.to.ip());
            let Forwarding {
                only, host_port, ..
            } = *forwarding;
            delete_port_flows(&mut conntrack, family, only, host_port, |flow| {
                meant(forwarding, flow)
            })?;
        }
    }
    Ok(())
}

/// Deletes UDP flows to a port. The netlink socket is opened when first needed.
fn delete_port_flows(
    conntrack: &mut Option<Conntrack>,
    family: Family,
    only: Option<IpAddr>,
    port: u16,
    meant: impl FnMut(&Flow) -> bool,
) -> Result<(), NetlinkError> {
    let conntrack = match conntrack {
        Some(open) => open,
        None => conntrack.insert(Conntrack::open()?),
    };
    let filter = FlowFilter::to_port(family, Transport::Udp, port);
    let filter = match only {
        Some(address) => filter.at(address),
        None => filter,
    };
    conntrack.delete(&filter, meant).map(drop)
}

/// The addresses of this host, looked up one by one and cached.
#[derive(Default)]
struct LocalAddresses {
    host: Option<Host>,
    known: HashMap<IpAddr, bool>,
}

impl LocalAddresses {
    /// Whether the address is this host's; false if the lookup fails.
    fn contains(&mut self, address: IpAddr) -> bool {
        if let Some(known) = self.known.get(&address) {
            return *known;
        }
        let local = self.ask(address).unwrap_or(false);
        self.known.insert(address, local);
        local
    }

    fn ask(&mut self, address: IpAddr) -> Result<bool, NetError> {
        let host = match &self.host {
            Some(host) => host,
            None => self.host.insert(Host::open()?),
        };
        let route = host.route_to(address)?;
        Ok(route.is_some_and(|route| route.kind == LOCAL))
    }
}
