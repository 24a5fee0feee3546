//! The sets of accepted addresses. The comment of each element is its owner.

use std::net::IpAddr;

use ferrule_kernel::{Family, NetlinkError};
use ferrule_net::{AttachmentId, NetError, network_tag, tag_of};
use ferrule_netfilter::nft::{
    self, DataType, Element, Family as Tables, Nft, Set, SetLayout, Table, Transaction, Value,
};

use super::filter_table::OWN_TABLE;
use crate::removal::Removal;

/// The sets' names.
const NAMES: [(Family, &str); 2] = [
    (Family::V4, "cni_containers4"),
    (Family::V6, "cni_containers6"),
];

/// The set of one family.
pub(super) fn of_family(table: Table<'_>, family: Family) -> Set<'_> {
    let name = match family {
        Family::V4 => NAMES[0].1,
        Family::V6 => NAMES[1].1,
    };
    table.set(name)
}

/// Adds the set of one family.
pub(super) fn create(table: Table<'_>, family: Family, changes: &mut Transaction) {
    let key = [DataType::Address(family)];
    let layout =
        SetLayout::set(&key).with_comment("addresses the CNI plugin firewall lets through");
    changes.add_set(of_family(table, family), &layout);
}

/// Adds an address, in place of an element of another owner.
pub(super) fn enter(
    nft: &Nft,
    table: Table<'_>,
    id: &AttachmentId,
    address: IpAddr,
    changes: &mut Transaction,
) -> Result<(), NetlinkError> {
    let set = of_family(table, Family::of(address));
    let desired = element(address).with_comment(&id.comment());
    match nft.element(set, &desired)? {
        Some(found) if found.comment == desired.comment => return Ok(()),
        // Adding an existing element does not change its comment.
        Some(_) => _ = changes.delete_elements(set, &[element(address)]),
        None => {}
    }
    changes.create_elements(set, &[desired]);
    Ok(())
}

/// Whether an address is an element of an attachment.
pub(super) fn has(
    nft: &Nft,
    table: Table<'_>,
    id: &AttachmentId,
    address: IpAddr,
) -> Result<bool, NetlinkError> {
    let set = of_family(table, Family::of(address));
    let found = nft.element(set, &element(address))?;
    Ok(found.is_some_and(|found| found.comment == Some(id.comment())))
}

/// Removes addresses that still belong to the removed attachments.
pub(super) fn remove(
    nft: &Nft,
    table: Table<'_>,
    removals: &[Removal],
    changes: &mut Transaction,
) -> Result<(), NetlinkError> {
    for removal in removals {
        let set = of_family(table, Family::of(removal.address));
        let element = element(removal.address);
        let comment = nft.element(set, &element)?.and_then(|found| found.comment);
        if comment.is_some_and(|comment| tag_of(&comment) == removal.tag) {
            changes.delete_elements(set, &[element]);
        }
    }
    Ok(())
}

/// The addresses of an attachment; reads the whole sets.
pub(crate) fn owned_by(nft: &Nft, id: &AttachmentId) -> Result<Vec<IpAddr>, NetError> {
    let tag = id.tag();
    let owned = owned(nft, |comment| tag_of(comment) == tag)?;
    Ok(owned.into_iter().map(|(address, _)| address).collect())
}

/// The addresses of the attachments to a network, with their tags.
pub(crate) fn owned_in_network(
    nft: &Nft,
    network: &str,
) -> Result<Vec<(IpAddr, String)>, NetError> {
    let prefix = format!("{}-", network_tag(network));
    let owned = owned(nft, |comment| comment.starts_with(&prefix))?;
    let tagged = |(address, comment): (IpAddr, String)| (address, tag_of(&comment).to_owned());
    Ok(owned.into_iter().map(tagged).collect())
}

fn owned(nft: &Nft, is: impl Fn(&str) -> bool) -> Result<Vec<(IpAddr, String)>, NetError> {
    let mut owned = Vec::new();
    let table = Table::new(Tables::Inet, OWN_TABLE);
    for (family, _) in NAMES {
        for element in nft.elements(of_family(table, family))? {
            let comment = element.comment.unwrap_or_default();
            let address = nft::address(element.key.as_bytes()).filter(|_| is(&comment));
            owned.extend(address.map(|address| (address, comment)));
        }
    }
    Ok(owned)
}

fn element(address: IpAddr) -> Element {
    Element::new(&[Value::Address(address)])
}
