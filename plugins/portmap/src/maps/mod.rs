//! Map mode: one element per mapping, and a number of rules that stays the same.
//!
//! The kernel finds an element by its key however many there are, so neither a packet nor a verb
//! pays for the mappings of others. Deleting an element ignores whose it is: everything here runs
//! under the lock of the namespace, and reads before it deletes.

mod element;
mod skeleton;

use std::collections::HashSet;
use std::net::IpAddr;

use ferrule_kernel::Family;
use ferrule_kernel::nft::{Element, Nft, Set, Transaction};
use ferrule_net::network_tag;

use crate::claims::Claims;
use crate::config::{Masquerading, Settings};
use crate::error::PortmapError;
use crate::forwarding::Forwarding;
use crate::mapping::Mapping;
use crate::owner::{Owner, Standing};
use crate::plan::Target;
use skeleton::{HOSTIP_HOSTPORTS, HOSTPORTS, MASQUERADING};

/// The elements of one container for one family.
#[derive(Debug)]
pub(crate) struct Elements {
    target: Target,
    masquerading: Masquerading,
    claims: Claims,
}

impl Elements {
    pub(crate) fn new(target: &Target, settings: &Settings) -> Self {
        Self {
            target: *target,
            masquerading: settings.masquerading,
            claims: Claims::new(target, settings),
        }
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
        let is_new = !nft.has_table(table)?;
        if !is_new {
            evict(nft, &self.claims, owner, changes)?;
            // Whoever had the address before has not got it any more.
            let set = table.set(MASQUERADING);
            delete(
                changes,
                set,
                &at_address(nft, set, self.target.address.address())?,
            );
        }
        for (forwarding, _) in self.claims.each() {
            let set = table.set(element::map_of(forwarding));
            changes.create_elements(set, &[element::mapping(forwarding, owner)]);
        }
        let elements = self.masquerading(owner);
        if !elements.is_empty() {
            changes.create_elements(table.set(MASQUERADING), &elements);
        }
        Ok(())
    }

    fn masquerading(&self, owner: &Owner) -> Vec<Element> {
        element::masquerading(self.target.address, self.masquerading, owner)
    }

    /// Compares what is there with what [`Elements::add`] makes.
    pub(crate) fn check(&self, nft: &Nft, owner: &Owner) -> Result<(), PortmapError> {
        let family = self.claims.family;
        skeleton::check(nft, family)?;
        let table = skeleton::table(family);
        for (forwarding, mapping) in self.claims.each() {
            let set = table.set(element::map_of(forwarding));
            let wanted = element::mapping(forwarding, owner);
            let found = nft.element(set, &wanted)?;
            let is_it = |found: &Element| found.data == wanted.data && is_own(owner, found);
            if !found.as_ref().is_some_and(is_it) {
                let what = format!("element for {mapping}");
                return Err(PortmapError::missing(&set, what));
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

/// Adds the deletion of elements that are in the way of what is claimed.
pub(crate) fn evict(
    nft: &Nft,
    claims: &Claims,
    owner: &Owner,
    changes: &mut Transaction,
) -> Result<(), PortmapError> {
    let family = claims.family;
    let table = skeleton::table(family);
    if !nft.has_table(table)? {
        return Ok(());
    }
    let mut found = Placed::new();
    for (forwarding, mapping) in claims.each() {
        let map = element::map_of(forwarding);
        let wanted = element::mapping(forwarding, owner);
        let Some(element) = nft.element(table.set(map), &wanted)? else {
            continue;
        };
        // A map has room for one.
        if let Standing::Unknown(container) = standing(owner, &element) {
            return Err(PortmapError::Conflict {
                mapping: mapping.to_owned(),
                container,
            });
        }
        found.push((map, element));
    }
    if claims
        .each()
        .any(|(forwarding, _)| forwarding.only.is_none())
    {
        // Elements for one address go first, so those of the dead would hide the new ones.
        let narrower = nft.elements(table.set(HOSTIP_HOSTPORTS))?.into_iter();
        let known: HashSet<_> = found.iter().map(|(_, one)| one.key.clone()).collect();
        found.extend(
            narrower
                .filter(|element| !known.contains(&element.key))
                .map(|element| (HOSTIP_HOSTPORTS, element)),
        );
    }
    for (map, element) in found {
        let Some(theirs) = element::forwarding(&element, family) else {
            continue;
        };
        if claims.gives_way(standing(owner, &element), &theirs)? {
            changes.delete_elements(table.set(map), &[element]);
        }
    }
    Ok(())
}

/// Whether an attachment has elements for any of these mappings.
pub(crate) fn is_present(
    nft: &Nft,
    owner: &Owner,
    mappings: &[Mapping],
) -> Result<bool, PortmapError> {
    for family in [Family::V4, Family::V6] {
        if !by_key(nft, family, owner, mappings)?.0.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Adds the deletion of the elements of an attachment; answers what they forwarded. The mappings
/// tell where to look; everything is looked through if they do not account for what is there.
pub(crate) fn remove(
    nft: &Nft,
    owner: &Owner,
    mappings: &[Mapping],
    changes: &mut Transaction,
) -> Result<Vec<Forwarding>, PortmapError> {
    let mut gone = Vec::new();
    let mut searched = Vec::new();
    for family in [Family::V4, Family::V6] {
        if !nft.has_table(skeleton::table(family))? {
            continue;
        }
        let (own, complete) = by_key(nft, family, owner, mappings)?;
        if complete {
            gone.extend(take(nft, family, owner, own, changes)?);
        } else {
            searched.push((family, own.is_empty()));
        }
    }
    let elsewhere = !gone.is_empty();
    for (family, found_none) in searched {
        // The container has no address of this family, then.
        if found_none && elsewhere {
            continue;
        }
        gone.extend(sweep(nft, family, changes, |element| {
            is_own(owner, element)
        })?);
    }
    Ok(gone)
}

/// Adds the deletion of the elements of attachments to a network whose tags are not among `live`.
pub(crate) fn collect(
    nft: &Nft,
    network: &str,
    live: &HashSet<String>,
    changes: &mut Transaction,
) -> Result<Vec<Forwarding>, PortmapError> {
    let of_network = format!("{}-", network_tag(network));
    let mut gone = Vec::new();
    for family in [Family::V4, Family::V6] {
        gone.extend(sweep(nft, family, changes, |element| {
            let comment = element.comment.as_deref().unwrap_or_default();
            let tag = comment.split(',').next().unwrap_or_default();
            tag.starts_with(&of_network) && !live.contains(tag)
        })?);
    }
    Ok(gone)
}

/// Elements with the maps they are in.
type Placed = Vec<(&'static str, Element)>;

/// The attachment's elements under the keys of its mappings, and whether each has one.
fn by_key(
    nft: &Nft,
    family: Family,
    owner: &Owner,
    mappings: &[Mapping],
) -> Result<(Placed, bool), PortmapError> {
    let mut own = Placed::new();
    let mut complete = mappings.iter().any(|mapping| mapping.is_of(family));
    for mapping in mappings.iter().filter(|mapping| mapping.is_of(family)) {
        let key = element::key(mapping.transport, mapping.only(), mapping.host_port);
        let map = match mapping.only() {
            Some(_) => HOSTIP_HOSTPORTS,
            None => HOSTPORTS,
        };
        if own
            .iter()
            .any(|(known, one)| *known == map && one.key == key.key)
        {
            continue;
        }
        match nft.element(skeleton::table(family).set(map), &key)? {
            Some(element) if is_own(owner, &element) => own.push((map, element)),
            _ => complete = false,
        }
    }
    Ok((own, complete))
}

/// Adds the deletion of these elements and of those for masquerading to the same addresses.
fn take(
    nft: &Nft,
    family: Family,
    owner: &Owner,
    own: Placed,
    changes: &mut Transaction,
) -> Result<Vec<Forwarding>, PortmapError> {
    let table = skeleton::table(family);
    let mut gone = Vec::new();
    for (map, element) in own {
        gone.extend(element::forwarding(&element, family));
        changes.delete_elements(table.set(map), &[element]);
    }
    let addresses: HashSet<IpAddr> = gone.iter().map(|one| one.to.ip()).collect();
    let set = table.set(MASQUERADING);
    for address in addresses {
        let mut found = at_address(nft, set, address)?;
        found.retain(|element| is_own(owner, element));
        delete(changes, set, &found);
    }
    Ok(gone)
}

/// Adds the deletion of every element that is dead; answers what they forwarded.
fn sweep(
    nft: &Nft,
    family: Family,
    changes: &mut Transaction,
    is_dead: impl Fn(&Element) -> bool,
) -> Result<Vec<Forwarding>, PortmapError> {
    let table = skeleton::table(family);
    let mut gone = Vec::new();
    for name in [HOSTPORTS, HOSTIP_HOSTPORTS, MASQUERADING] {
        let set = table.set(name);
        let mut elements = nft.elements(set)?;
        elements.retain(&is_dead);
        if name != MASQUERADING {
            gone.extend(
                elements
                    .iter()
                    .filter_map(|one| element::forwarding(one, family)),
            );
        }
        delete(changes, set, &elements);
    }
    Ok(gone)
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
