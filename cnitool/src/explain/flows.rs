//! Flows that connection tracking has from or to the container's addresses.

use std::net::{IpAddr, SocketAddr};

use ferrule_kernel::Family;
use ferrule_netfilter::conntrack::{Conntrack, Flow};
use ferrule_netfilter::nft::Transport;

use super::section::Section;
use super::subject::Subject;

/// A busy container has thousands of flows.
const MOST: usize = 100;

pub(super) fn section(subject: &Subject) -> Section {
    let mut section = Section::new(
        "flows",
        &["protocol", "from", "to", "repliesFrom", "repliesTo"],
    );
    let Some(conntrack) = section.note(Conntrack::open()) else {
        return section;
    };
    let is_own = |end: SocketAddr| subject.addresses.contains(&end.ip());
    let is_wanted = |flow: &Flow| {
        let ends = [flow.original, flow.reply];
        ends.iter()
            .any(|tuple| is_own(tuple.source) || is_own(tuple.destination))
    };
    for family in [Family::V4, Family::V6] {
        let of_family = |address: &IpAddr| Family::of(*address) == family;
        if !subject.addresses.iter().any(of_family) {
            continue;
        }
        for transport in Transport::ALL {
            let flows = section.note(conntrack.all_flows(family, transport, is_wanted));
            for flow in flows.into_iter().flatten() {
                if section.rows.len() == MOST {
                    section.omitted += 1;
                    continue;
                }
                section.row([
                    transport.name().into(),
                    flow.original.source.to_string().into(),
                    flow.original.destination.to_string().into(),
                    flow.reply.source.to_string().into(),
                    flow.reply.destination.to_string().into(),
                ]);
            }
        }
    }
    section
}
