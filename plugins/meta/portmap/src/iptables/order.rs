//! The place of a container's rules in the chain that jumps to all containers.
//!
//! The first matching rule takes a connection. Rules for single addresses of the host precede those
//! for all, and rules of another network of the same container precede the new ones. Otherwise the
//! newest rule comes first, as rules of the Go plugin do not show whether their container runs.

use std::collections::HashSet;

use ferrule_net::NetError;
use ferrule_netfilter::iptables::{Entry, Tool};

use super::TABLE;
use super::rules::{self, PREFIX};
use super::shared::DNAT;
use crate::conflicts::ClaimedPorts;
use crate::owner::{Owner, OwnerState};

/// The removals and the places of the new rules.
#[derive(Debug)]
pub(super) struct Order {
    /// The chains of removed containers with conflicting rules.
    pub(super) dead: Vec<String>,
    /// The number of remaining rules before the new ones for single addresses.
    pub(super) narrow: usize,
    /// The number of remaining rules before the other new ones.
    pub(super) wide: usize,
}

/// Reads the mappings of the claimed ports. A port of a running container is an error.
pub(super) fn order(
    tool: &Tool,
    chain: &str,
    owner: &Owner,
    claims: &ClaimedPorts,
) -> Result<Order, NetError> {
    let mut entries = tool.entries(TABLE, DNAT)?;
    entries.retain(|entry| entry.target.as_deref() != Some(chain));
    let mut seen = HashSet::new();
    let (mut dead, mut narrower) = (Vec::new(), HashSet::new());
    for entry in &entries {
        let Some(theirs) = entry.target.as_deref().filter(|to| to.starts_with(PREFIX)) else {
            continue;
        };
        let is_about_others = entry
            .ports
            .as_ref()
            .is_some_and(|ports| !claims.has_any(ports));
        if is_about_others || !seen.insert(theirs) {
            continue;
        }
        let listed = tool.rules(TABLE, theirs)?.unwrap_or_default();
        let holder = owner.holder(rules::container_of(entry), rules::note(&listed));
        let owner_state = OwnerState::Other(holder);
        for forwarding in listed.iter().filter_map(rules::forwarding) {
            if claims.must_evict(&owner_state, &forwarding)? {
                dead.push(theirs.to_owned());
                break;
            }
            if forwarding.only.is_some() && claims.overlap(&forwarding) {
                narrower.insert(theirs.to_owned());
            }
        }
    }
    entries.retain(|entry| !entry.target.as_ref().is_some_and(|to| dead.contains(to)));
    // A chain with rules for single addresses needs no precedence for its other rules.
    for entry in entries.iter().filter(|entry| rules::is_narrow(entry)) {
        narrower.remove(entry.target.as_deref().unwrap_or_default());
    }
    let is_same = |entry: &Entry| rules::container_of(entry) == owner.id.container_id;
    let is_narrower = |entry: &Entry| {
        let target = entry.target.as_deref().unwrap_or_default();
        rules::is_narrow(entry) || narrower.contains(target)
    };
    let behind = |goes_first: &dyn Fn(&Entry) -> bool| {
        entries
            .iter()
            .rposition(goes_first)
            .map_or(0, |last| last + 1)
    };
    Ok(Order {
        dead,
        narrow: behind(&|entry| rules::is_narrow(entry) && is_same(entry)),
        wide: behind(&|entry| is_narrower(entry) || is_same(entry)),
    })
}
