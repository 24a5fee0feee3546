//! Mappings as rules of nftables, in the tables and the form of the Go plugin: each plugin can check
//! and remove what the other wrote.

pub(crate) mod base_chains;
mod condition;
pub(crate) mod listed;
mod rules;

use cni_types::Error;
use ferrule_kernel::Family;
use ferrule_net::{NetError, Tags};
use ferrule_netfilter::nft::{Nft, Transaction};

use crate::config::Plan;
use crate::conflicts::ClaimedPorts;
use crate::forwarding::Forwarding;
use crate::owner::{Owner, OwnerState, first_word};
use crate::port_rules::missing;
use crate::target::Target;
use base_chains::{HOSTIP_HOSTPORTS, HOSTPORTS, MASQUERADING};
use listed::Found;
use rules::DesiredRule;

/// The rules of one container for one family.
#[derive(Debug)]
pub(crate) struct Rules {
    family: Family,
    mappings: Vec<DesiredRule>,
    masquerading: Vec<DesiredRule>,
    claims: ClaimedPorts,
}

impl Rules {
    pub(crate) fn new(target: &Target, plan: &Plan) -> Result<Self, Error> {
        Ok(Self {
            family: target.family(),
            mappings: rules::mappings(target, plan)?,
            masquerading: rules::masquerading(target, plan),
            claims: ClaimedPorts::new(target, plan),
        })
    }

    /// Adds the container's rules, in place of its own and of those of removed containers for the same
    /// ports.
    pub(crate) fn add(
        &self,
        nft: &Nft,
        owner: &Owner,
        changes: &mut Transaction,
    ) -> Result<(), NetError> {
        let table = base_chains::table(self.family);
        base_chains::ensure(nft, changes, self.family, !self.masquerading.is_empty())?;
        let mut staying = Vec::new();
        for found in listed::all(nft, self.family)? {
            if found.must_evict(&self.claims, owner)? {
                changes.delete_rule(table.chain(found.chain), found.rule.handle);
            } else {
                staying.push(found);
            }
        }
        let comment = owner.rule_comment();
        let note = owner.rule_note();
        let signed = |wanted: &DesiredRule| {
            let rule = wanted.rule.clone();
            rule.with_comment(comment).with_note(note.as_str())
        };
        let hostports = table.chain(HOSTPORTS);
        let (only, all): (Vec<&DesiredRule>, Vec<&DesiredRule>) =
            self.mappings.iter().partition(|wanted| wanted.only);
        // Rules of another network of the container come first: its default route may be there.
        let behind = |about_all| {
            let mut found = staying
                .iter()
                .rev()
                .filter(|found| found.is_mapping(about_all));
            let same = found.find(|found| found.is_of_container(owner));
            same.map(|found| found.rule.handle)
        };
        // Each is inserted before the one inserted last.
        for wanted in only.into_iter().rev() {
            match behind(false) {
                Some(handle) => changes.append_rule_behind(hostports, handle, &signed(wanted)),
                None => changes.insert_rule(hostports, &signed(wanted)),
            };
        }
        // The newest comes first, but after the rules for one address of the host.
        let first = staying.iter().find(|found| found.is_about_all());
        for wanted in all {
            match (behind(true), first) {
                (Some(handle), _) => changes.append_rule_behind(hostports, handle, &signed(wanted)),
                (None, Some(found)) => {
                    changes.insert_rule_before(hostports, found.rule.handle, &signed(wanted))
                }
                (None, None) => changes.append_rule(hostports, &signed(wanted)),
            };
        }
        for wanted in &self.masquerading {
            changes.append_rule(table.chain(MASQUERADING), &signed(wanted));
        }
        Ok(())
    }

    /// Compares the rules with those that [`Rules::add`] adds, whichever plugin wrote them.
    pub(crate) fn check(&self, nft: &Nft, owner: &Owner) -> Result<(), NetError> {
        base_chains::check(nft, self.family, !self.masquerading.is_empty())?;
        let table = base_chains::table(self.family);
        let mut own = listed::all(nft, self.family)?;
        own.retain(|found| found.owner_state(owner) == OwnerState::Own);
        let places: [(&[DesiredRule], &[&str]); 2] = [
            (&self.mappings, &[HOSTPORTS, HOSTIP_HOSTPORTS]),
            (&self.masquerading, &[MASQUERADING]),
        ];
        for (wanted, chains) in places {
            for wanted in wanted {
                let is_it = |found: &Found| {
                    let mut forms = std::iter::once(&wanted.rule).chain(&wanted.equivalents);
                    chains.contains(&found.chain) && forms.any(|rule| found.rule.same_as(rule))
                };
                // The same mapping twice needs two rules.
                let Some(place) = own.iter().position(is_it) else {
                    let chain = table.chain(chains.first().copied().unwrap_or_default());
                    return Err(missing(&chain, wanted.what.as_str()));
                };
                own.swap_remove(place);
            }
        }
        Ok(())
    }
}

impl Found {
    fn owner_state(&self, owner: &Owner) -> OwnerState {
        owner.state_of_rule(self.rule.comment.as_deref(), self.rule.note.as_deref())
    }

    /// Whether it conflicts with claimed ports and must be removed.
    fn must_evict(&self, claims: &ClaimedPorts, owner: &Owner) -> Result<bool, NetError> {
        let owner_state = self.owner_state(owner);
        match &self.forwarding {
            Some(theirs) => claims.must_evict(&owner_state, theirs),
            None => Ok(owner_state == OwnerState::Own),
        }
    }

    /// Whether it maps a port of all addresses of the host, in the chain of new rules.
    fn is_about_all(&self) -> bool {
        self.is_mapping(true)
    }

    /// Whether it maps a port of all addresses of the host, or of one, in the chain of new rules.
    fn is_mapping(&self, about_all: bool) -> bool {
        let is = |found: Forwarding| found.only.is_none() == about_all;
        self.chain == HOSTPORTS && self.forwarding.is_some_and(is)
    }

    fn is_of_container(&self, owner: &Owner) -> bool {
        self.rule.comment.as_deref() == Some(owner.rule_comment())
    }
}

/// Adds the deletion of the rules of an attachment; returns their translations.
pub(crate) fn remove(
    nft: &Nft,
    owner: &Owner,
    changes: &mut Transaction,
) -> Result<Vec<Forwarding>, NetError> {
    delete(nft, changes, |comment, note| {
        owner.state_of_rule(comment, note) == OwnerState::Own
    })
}

/// Adds the deletion of the rules of attachments whose tags are stale; returns their translations.
///
/// Rules of the Go plugin do not name their network, and stay.
pub(crate) fn collect(
    nft: &Nft,
    tags: &Tags,
    changes: &mut Transaction,
) -> Result<Vec<Forwarding>, NetError> {
    delete(nft, changes, |_, note| {
        tags.is_stale(first_word(note.unwrap_or_default()))
    })
}

fn delete(
    nft: &Nft,
    changes: &mut Transaction,
    is_stale: impl Fn(Option<&str>, Option<&str>) -> bool,
) -> Result<Vec<Forwarding>, NetError> {
    let mut gone = Vec::new();
    for family in [Family::V4, Family::V6] {
        let table = base_chains::table(family);
        for found in listed::all(nft, family)? {
            if is_stale(found.rule.comment.as_deref(), found.rule.note.as_deref()) {
                changes.delete_rule(table.chain(found.chain), found.rule.handle);
                gone.extend(found.forwarding);
            }
        }
    }
    Ok(gone)
}

/// Whether an attachment has rules.
pub(crate) fn is_present(nft: &Nft, owner: &Owner) -> Result<bool, NetError> {
    for family in [Family::V4, Family::V6] {
        let mut found = listed::all(nft, family)?.into_iter();
        if found.any(|found| found.owner_state(owner) == OwnerState::Own) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Adds the deletion of rules that conflict with elements of maps.
pub(crate) fn evict(
    nft: &Nft,
    claims: &ClaimedPorts,
    owner: &Owner,
    changes: &mut Transaction,
) -> Result<(), NetError> {
    let table = base_chains::table(claims.family);
    for found in listed::all(nft, claims.family)? {
        if found.must_evict(claims, owner)? {
            changes.delete_rule(table.chain(found.chain), found.rule.handle);
        }
    }
    Ok(())
}
