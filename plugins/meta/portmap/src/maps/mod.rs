//! Map mode: one element per mapping, and a number of rules that stays the same.
//!
//! The kernel finds an element by its key however many there are, so neither a packet nor a verb
//! pays for the mappings of others. Deleting an element ignores whose it is: everything here runs
//! under the lock of the namespace, and reads before it deletes.

mod element;
mod remove;
mod skeleton;

use std::collections::HashSet;
use std::net::IpAddr;

use ferrule_netfilter::nft::{Element, Key, Nft, Set, Transaction};

use crate::claims::Claims;
use crate::config::{Masquerading, Settings};
use crate::error::PortmapError;
use crate::forwarding::Forwarding;
use crate::owner::{HolderState, Owner, Standing};
use crate::plan::Target;
use remove::sweep;
pub(crate) use remove::{collect, is_present, remove};
use skeleton::{HOSTIP_HOSTPORTS, MASQUERADING};

/// Elements with the maps they are in.
type Placed = Vec<(&'static str, Element)>;

/// The elements of one container for one family.
#[derive(Debug)]
pub(crate) struct Elements {
    target: Target,
    masquerading: Masquerading,
    claims: Claims,
    /// How many the container has in all, for mappings of both families.
    count: usize,
}

impl Elements {
    /// The elements for each of the container's addresses.
    pub(crate) fn of(targets: &[Target], settings: &Settings) -> Vec<Self> {
        let claims: Vec<Claims> = targets
            .iter()
            .map(|target| Claims::new(target, settings))
            .collect();
        let count = claims.iter().map(|claims| claims.each().count()).sum();
        let pairs = targets.iter().zip(claims);
        pairs
            .map(|(target, claims)| Self {
                target: *target,
                masquerading: settings.masquerading,
                claims,
                count,
            })
            .collect()
    }

    /// Adds what makes the container's elements, in place of those it has and of those of dead
    /// containers.
    pub(crate) fn add(
        &self,
        nft: &Nft,
        owner: &Owner,
        changes: &mut Transaction,
    ) -> Result<(), PortmapError> {
        let family = self.claims.family;
        let table = skeleton::table(family);
        skeleton::ensure(nft, changes, family)?;
        let set = table.set(MASQUERADING);
        let mut others = Others::default();
        if nft.has_table(table)? {
            // Whoever had the address before has not got it any more.
            let former = at_address(nft, set, self.target.address.address())?;
            let (own, former): (Vec<Element>, Vec<Element>) =
                former.into_iter().partition(|one| is_own(owner, one));
            delete(changes, set, &former);
            others = evict_others(nft, &self.claims, owner, changes)?;
            if others.are_own || !own.is_empty() {
                sweep(nft, family, changes, |element| is_own(owner, element))?;
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

    /// Compares what is there with what [`Elements::add`] makes.
    pub(crate) fn check(&self, nft: &Nft, owner: &Owner) -> Result<(), PortmapError> {
        let family = self.claims.family;
        skeleton::check(nft, family)?;
        let table = skeleton::table(family);
        for (forwarding, mapping) in self.claims.each() {
            let set = table.set(element::map_of(forwarding));
            let wanted = element::mapping(forwarding, owner, self.count);
            let found = nft.element(set, &wanted)?;
            let is_it = |found: &Element| match standing(owner, found) {
                Standing::Own => found.data == wanted.data,
                Standing::Other(holder) => holder.state() == HolderState::SameContainer,
            };
            if !found.as_ref().is_some_and(is_it) {
                return Err(PortmapError::missing(
                    &set,
                    format!("element for {mapping}"),
                ));
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
                return Err(PortmapError::missing(&set, what));
            }
        }
        Ok(())
    }
}

/// Adds the deletion of elements that are in the way of what is claimed elsewhere, and of all
/// elements of the attachment itself.
pub(crate) fn evict(
    nft: &Nft,
    claims: &Claims,
    owner: &Owner,
    changes: &mut Transaction,
) -> Result<(), PortmapError> {
    let family = claims.family;
    if nft.has_table(skeleton::table(family))? && evict_others(nft, claims, owner, changes)?.are_own
    {
        sweep(nft, family, changes, |element| is_own(owner, element))?;
    }
    Ok(())
}

/// What is found where elements are to be put.
#[derive(Default)]
struct Others {
    /// Whether some are of the attachment itself.
    are_own: bool,
    /// The keys of those that the container has by another network. A map has room for one: they
    /// stay, and the later network goes without.
    are_shared: HashSet<Key>,
}

/// Adds the deletion of elements of others that are in the way of what is claimed; answers what
/// else is there.
fn evict_others(
    nft: &Nft,
    claims: &Claims,
    owner: &Owner,
    changes: &mut Transaction,
) -> Result<Others, PortmapError> {
    let family = claims.family;
    let table = skeleton::table(family);
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
        if let Standing::Other(holder) = standing(owner, &element) {
            match holder.state() {
                HolderState::SameContainer => {
                    others.are_shared.insert(element.key);
                    continue;
                }
                HolderState::Unknown => {
                    return Err(PortmapError::Conflict {
                        mapping: mapping.to_owned(),
                        container: holder.container,
                    });
                }
                HolderState::Dead | HolderState::Alive => {}
            }
        }
        found.push((map, element));
    }
    let all = claims.each().filter(|(one, _)| one.only.is_none());
    let ports: HashSet<_> = all.map(|(one, _)| (one.transport, one.host_port)).collect();
    if !ports.is_empty() {
        // Elements for one address go first, so those of the dead would hide the new ones.
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
        let standing = standing(owner, &element);
        if standing == Standing::Own {
            others.are_own = true;
        } else if let Some(theirs) = element::forwarding(&element, family)
            && claims.gives_way(&standing, &theirs)?
        {
            changes.delete_elements(table.set(map), &[element]);
        }
    }
    Ok(others)
}

/// The elements that have connections to an address masqueraded, each once.
fn at_address(nft: &Nft, set: Set<'_>, address: IpAddr) -> Result<Vec<Element>, PortmapError> {
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

fn standing(owner: &Owner, element: &Element) -> Standing {
    owner.standing_of_element(element.comment.as_deref(), element.note.as_deref())
}

fn is_own(owner: &Owner, element: &Element) -> bool {
    standing(owner, element) == Standing::Own
}
