//! UDP flows of mappings.
//!
//! A flow keeps the destination it got with its first packet for as long as packets come. A client
//! that never pauses would therefore not notice that a port is mapped now, or to somebody else.
//! TCP and SCTP clients start anew by themselves.

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

/// Forgets the flows that came for a port before it was mapped so, or mapped otherwise.
///
/// Flows that only pass through on their way to the same port elsewhere are left alone.
pub(crate) fn forget_earlier(forwardings: &[Forwarding]) -> Result<(), NetError> {
    let mut local = LocalAddresses::default();
    forget(forwardings, |forwarding, flow| {
        flow.reply.source != forwarding.to && local.contains(flow.original.destination.ip())
    })
}

/// Forgets the flows that were translated by these mappings, which are gone.
pub(crate) fn forget_translated(forwardings: &[Forwarding]) -> Result<(), NetError> {
    forget(forwardings, |forwarding, flow| {
        flow.reply.source == forwarding.to && flow.original.destination != forwarding.to
    })
}

/// Forgets the flows of mappings that are gone and of which nobody knows any more where they led:
/// those to the host's port that were translated to the container's port of some address.
pub(crate) fn forget_unknown(mappings: &[Mapping]) -> Result<(), NetError> {
    let udp = mappings.iter().filter(|m| m.transport == Transport::Udp);
    let mut conntrack = None;
    let mut local = LocalAddresses::default();
    for mapping in udp {
        for family in [Family::V4, Family::V6] {
            if !mapping.is_of(family) {
                continue;
            }
            forget_port(
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

fn forget(
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
            forget_port(&mut conntrack, family, only, host_port, |flow| {
                meant(forwarding, flow)
            })?;
        }
    }
    Ok(())
}

/// Forgets UDP flows to a port; the conversation is opened when it is first needed.
fn forget_port(
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

/// Which addresses are this host's, asked for one by one and remembered.
#[derive(Default)]
struct LocalAddresses {
    host: Option<Host>,
    known: HashMap<IpAddr, bool>,
}

impl LocalAddresses {
    /// Whether the address is this host's; an address nothing is known about is not.
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
