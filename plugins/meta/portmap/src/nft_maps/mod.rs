//! Map mode: one element per mapping, and a constant number of rules.
//!
//! The kernel finds an element by its key, so the cost of a packet or a verb does not depend on other
//! mappings. The kernel deletes an element by its key, whoever owns it: everything here runs under the
//! lock of the namespace, and reads before it deletes.

mod base_chains;
mod element;
mod remove;

use std::collections::HashSet;
use std::net::IpAddr;

use ferrule_net::NetError;
use ferrule_netfilter::nft::{Element, Key, Nft, Set, Transaction};

use crate::config::{Masquerading, Plan};
use crate::conflicts::{ClaimedPorts, conflict};
use crate::forwarding::Forwarding;
use crate::owner::{HolderState, Owner, OwnerState};
use crate::port_rules::missing;
use crate::target::Target;
use base_chains::{HOSTIP_HOSTPORTS, MASQUERADING};
use remove::delete_all;
pub(crate) use remove::{collect, is_present, remove};

/// Elements with the maps they are in.
type Placed = Vec<(&'static str, Element)>;

/// The elements of one container for one family.
#[derive(Debug)]
pub(crate) struct Elements {
    target: Target,
    masquerading: Masquerading,
    claims: ClaimedPorts,
    /// The number of elements of the container, for mappings of both families.
    count: usize,
}

impl Elements {
    /// The elements for each of the container's addresses.
    pub(crate) fn of(targets: &[Target], plan: &Plan) -> Vec<Self> {
        let claims: Vec<ClaimedPorts> = targets
            .iter()
            .map(|target| ClaimedPorts::new(target, plan))
            .collect();
        let count = claims.iter().map(|claims| claims.each().count()).sum();
        let pairs = targets.iter().zip(claims);
        pairs
            .map(|(target, claims)| Self {
                target: *target,
                masquerading: plan.masquerading,
                claims,
                count,
            })
            .collect()
    }

    /// Adds the container's elements, in place of its own and of those of removed containers.
    pub(crate) fn add(
        &self,
        nft: &Nft,
        owner: &Owner,
        changes: &mut Transaction,
    ) -> Result<(), NetError> {
        let family = self.claims.family;
        let table = base_chains::table(family);
        base_chains::ensure(nft, changes, family)?;
        let set = table.set(MASQUERADING);
        let mut others = Others::default();
        if nft.has_table(table)? {
            // The former owner of the address no longer has it.
            let former = at_address(nft, set, self.target.address.address())?;
            let (own, former): (Vec<Element>, Vec<Element>) =
                former.into_iter().partition(|one| is_own(owner, one));
            delete(changes, set, &former);
            others = evict_others(nft, &self.claims, owner, changes)?;
            if others.are_own || !own.is_empty() {
                delete_all(nft, family, changes, |element| is_own(owner, element))?;
            }
        }
        for (forwarding, _) in self.claims.each() {
            let set = table.set(element::map_of(forwarding));
            let element = element::mapping(forwarding, owner, self.count);
            if !others.are_shared.contains(&element.key) {
                changes.create_elements(set, &[element]);
            }
        }
        let elements = self.masquerading(owner);
        if !elements.is_empty() {
            changes.create_elements(set, &elements);
        }
        Ok(())
    }

    fn masquerading(&self, owner: &Owner) -> Vec<Element> {
        element::masquerading(self.target.address, self.masquerading, owner, self.count)
    }

    /// Compares the elements with those that [`Elements::add`] adds.
    pub(crate) fn check(&self, nft: &Nft, owner: &Owner) -> Result<(), NetError> {
        let family = self.claims.family;
        base_chains::check(nft, family)?;
        let table = base_chains::table(family);
        for (forwarding, mapping) in self.claims.each() {
            let set = table.set(element::map_of(forwarding));
            let wanted = element::mapping(forwarding, owner, self.count);
            let found = nft.element(set, &wanted)?;
            let is_it = |found: &Element| match owner_state(owner, found) {
                OwnerState::Own => found.data == wanted.data,
                OwnerState::Other(holder) => holder.state() == HolderState::SameContainer,
            };
            if !found.as_ref().is_some_and(is_it) {
                return Err(missing(&set, format!("element for {mapping}")));
            }
        }
        let set = table.set(MASQUERADING);
        let address = self.target.address.address();
        let found = at_address(nft, set, address)?;
        for wanted in self.masquerading(owner) {
            let is_it = |found: &Element| {
                (&found.key, &found.last) == (&wanted.key, &wanted.last) && is_own(owner, found)
            };
            if !found.iter().any(is_it) {
                let what = format!("element that has connections to {address} masqueraded");
                return Err(missing(&set, what));
            }
        }
        Ok(())
    }
}

/// Adds the deletion of elements that conflict with claimed ports of another back end, and of all
/// elements of the attachment.
pub(crate) fn evict(
    nft: &Nft,
    claims: &ClaimedPorts,
    owner: &Owner,
    changes: &mut Transaction,
) -> Result<(), NetError> {
    let family = claims.family;
    if nft.has_table(base_chains::table(family))?
        && evict_others(nft, claims, owner, changes)?.are_own
    {
        delete_all(nft, family, changes, |element| is_own(owner, element))?;
    }
    Ok(())
}

/// Existing elements of claimed ports.
#[derive(Default)]
struct Others {
    /// Whether some are of the attachment.
    are_own: bool,
    /// The keys of elements of another network of the container. A map holds one element per key: they
    /// stay, and the later network has none.
    are_shared: HashSet<Key>,
}

/// Adds the deletion of conflicting elements of others; returns what else exists.
fn evict_others(
    nft: &Nft,
    claims: &ClaimedPorts,
    owner: &Owner,
    changes: &mut Transaction,
) -> Result<Others, NetError> {
    let family = claims.family;
    let table = base_chains::table(family);
    let mut others = Others::default();
    let mut found = Placed::new();
    for (forwarding, mapping) in claims.each() {
        let map = element::map_of(forwarding);
        let Forwarding {
            transport,
            only,
            host_port,
            ..
        } = *forwarding;
        let key = element::key(transport, only, host_port);
        let Some(element) = nft.element(table.set(map), &key)? else {
            continue;
        };
        if let OwnerState::Other(holder) = owner_state(owner, &element) {
            match holder.state() {
                HolderState::SameContainer => {
                    others.are_shared.insert(element.key);
                    continue;
                }
                HolderState::Unknown => {
                    return Err(conflict(mapping, &holder.container));
                }
                HolderState::Dead | HolderState::Alive => {}
            }
        }
        found.push((map, element));
    }
    let all = claims.each().filter(|(one, _)| one.only.is_none());
    let ports: HashSet<_> = all.map(|(one, _)| (one.transport, one.host_port)).collect();
    if !ports.is_empty() {
        // Elements for one address are looked up first: those of removed containers would hide the
        // new ones.
        let known: HashSet<_> = found.iter().map(|(_, one)| one.key.clone()).collect();
        let hides = |element: &Element| {
            let theirs = element::forwarding(element, family);
            theirs.is_some_and(|one| ports.contains(&(one.transport, one.host_port)))
                && !known.contains(&element.key)
        };
        let narrower = nft.elements(table.set(HOSTIP_HOSTPORTS))?.into_iter();
        found.extend(narrower.filter(hides).map(|one| (HOSTIP_HOSTPORTS, one)));
    }
    for (map, element) in found {
        let owner_state = owner_state(owner, &element);
        if owner_state == OwnerState::Own {
            others.are_own = true;
        } else if let Some(theirs) = element::forwarding(&element, family)
            && claims.must_evict(&owner_state, &theirs)?
        {
            changes.delete_elements(table.set(map), &[element]);
        }
    }
    Ok(others)
}

/// The elements that masquerade connections to an address, each once.
fn at_address(nft: &Nft, set: Set<'_>, address: IpAddr) -> Result<Vec<Element>, NetError> {
    let mut found: Vec<Element> = Vec::new();
    for key in element::masquerading_keys(address) {
        if let Some(element) = nft.element(set, &key)?
            && !found.contains(&element)
        {
            found.push(element);
        }
    }
    Ok(found)
}

fn delete(changes: &mut Transaction, set: Set<'_>, elements: &[Element]) {
    if !elements.is_empty() {
        changes.delete_elements(set, elements);
    }
}

fn owner_state(owner: &Owner, element: &Element) -> OwnerState {
    owner.state_of_element(element.comment.as_deref(), element.note.as_deref())
}

fn is_own(owner: &Owner, element: &Element) -> bool {
    owner_state(owner, element) == OwnerState::Own
}
