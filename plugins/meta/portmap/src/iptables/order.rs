//! Whom a container's rules meet in the chain that leads to all containers, and where they go there.
//!
//! The first rule that fits takes a connection. Rules for single addresses of the host stand in front
//! of those for all, and what a container has by another of its networks in front of what it gets
//! now. Otherwise the newest goes first: the Go plugin does not tell whether its containers live.

use std::collections::HashSet;

use ferrule_netfilter::iptables::{Entry, Tool};

use super::TABLE;
use super::rules::{self, PREFIX};
use super::shared::DNAT;
use crate::claims::Claims;
use crate::error::PortmapError;
use crate::owner::{Owner, Standing};

/// What is to be done about the rules of others.
#[derive(Debug)]
pub(super) struct Order {
    /// The chains of the dead that are in the way.
    pub(super) dead: Vec<String>,
    /// Behind how many of the rules that stay those for single addresses go.
    pub(super) narrow: usize,
    /// Behind how many of the rules that stay the others go.
    pub(super) wide: usize,
}

/// Looks at whoever has the ports that are claimed. A port that a living container has is an error.
pub(super) fn order(
    tool: &Tool,
    chain: &str,
    owner: &Owner,
    claims: &Claims,
) -> Result<Order, PortmapError> {
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
        let standing = Standing::Other(holder);
        for forwarding in listed.iter().filter_map(rules::forwarding) {
            if claims.gives_way(&standing, &forwarding)? {
                dead.push(theirs.to_owned());
                break;
            }
            if forwarding.only.is_some() && claims.overlap(&forwarding) {
                narrower.insert(theirs.to_owned());
            }
        }
    }
    entries.retain(|entry| !entry.target.as_ref().is_some_and(|to| dead.contains(to)));
    // Chains with rules for single addresses need not be in front by their other rules.
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
