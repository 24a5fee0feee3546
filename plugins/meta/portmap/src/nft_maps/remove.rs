//! Finds the elements of an attachment, by the keys of its mappings or by reading all, and deletes
//! them.

use std::collections::HashSet;
use std::net::IpAddr;

use ferrule_kernel::Family;
use ferrule_net::{NetError, Tags, tag_of};
use ferrule_netfilter::nft::{Element, Nft, Transaction};

use super::base_chains::{self, HOSTIP_HOSTPORTS, HOSTPORTS, MASQUERADING};
use super::element;
use super::{Placed, at_address, delete, is_own};
use crate::forwarding::Forwarding;
use crate::mapping::Mapping;
use crate::owner::Owner;

/// Whether an attachment has elements for any of these mappings.
pub(crate) fn is_present(nft: &Nft, owner: &Owner, mappings: &[Mapping]) -> Result<bool, NetError> {
    for family in [Family::V4, Family::V6] {
        if !by_key(nft, family, owner, mappings)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Adds the deletion of the elements of an attachment; returns their translations. The
/// mappings are the keys to look up; all elements are read if those found are not complete.
pub(crate) fn remove(
    nft: &Nft,
    owner: &Owner,
    mappings: &[Mapping],
    changes: &mut Transaction,
) -> Result<Vec<Forwarding>, NetError> {
    let families = [Family::V4, Family::V6];
    let mut own = Vec::new();
    for family in families {
        own.push((family, by_key(nft, family, owner, mappings)?));
    }
    let found = || own.iter().flat_map(|(_, placed)| placed);
    let count = found().count();
    let complete = count > 0 && found().all(|(_, one)| element::count(one) == Some(count));
    let mut gone = Vec::new();
    for (family, own) in own {
        gone.extend(if complete {
            take(nft, family, owner, own, changes)?
        } else {
            delete_all(nft, family, changes, |element| is_own(owner, element))?
        });
    }
    Ok(gone)
}

/// Adds the deletion of the elements of attachments whose tags are stale; returns their
/// translations.
pub(crate) fn collect(
    nft: &Nft,
    tags: &Tags,
    changes: &mut Transaction,
) -> Result<Vec<Forwarding>, NetError> {
    let is_stale = |element: &Element| {
        let comment = element.comment.as_deref().unwrap_or_default();
        tags.is_stale(tag_of(comment))
    };
    let mut gone = Vec::new();
    for family in [Family::V4, Family::V6] {
        gone.extend(delete_all(nft, family, changes, is_stale)?);
    }
    Ok(gone)
}

/// The attachment's elements under the keys of its mappings, each once.
fn by_key(
    nft: &Nft,
    family: Family,
    owner: &Owner,
    mappings: &[Mapping],
) -> Result<Placed, NetError> {
    let table = base_chains::table(family);
    let mut own = Placed::new();
    let mut keys = HashSet::new();
    if !nft.has_table(table)? {
        return Ok(own);
    }
    for mapping in mappings.iter().filter(|mapping| mapping.is_of(family)) {
        let key = element::key(mapping.transport, mapping.only(), mapping.host_port);
        let map = match mapping.only() {
            Some(_) => HOSTIP_HOSTPORTS,
            None => HOSTPORTS,
        };
        if keys.insert(key.key.clone())
            && let Some(element) = nft.element(table.set(map), &key)?
            && is_own(owner, &element)
        {
            own.push((map, element));
        }
    }
    Ok(own)
}

/// Adds the deletion of these elements and of those for masquerading to the same addresses.
fn take(
    nft: &Nft,
    family: Family,
    owner: &Owner,
    own: Placed,
    changes: &mut Transaction,
) -> Result<Vec<Forwarding>, NetError> {
    let table = base_chains::table(family);
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

/// Adds the deletion of every stale element; returns their translations.
pub(super) fn delete_all(
    nft: &Nft,
    family: Family,
    changes: &mut Transaction,
    is_stale: impl Fn(&Element) -> bool,
) -> Result<Vec<Forwarding>, NetError> {
    let table = base_chains::table(family);
    let mut gone = Vec::new();
    for name in [HOSTPORTS, HOSTIP_HOSTPORTS, MASQUERADING] {
        let set = table.set(name);
        let mut elements = nft.elements(set)?;
        elements.retain(&is_stale);
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
