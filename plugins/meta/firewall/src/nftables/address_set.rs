//! The sets of addresses that are let through, each address with its owner as a comment.

use std::net::IpAddr;

use ferrule_kernel::{Family, NetlinkError, truncate};
use ferrule_net::{AttachmentId, network_tag};
use ferrule_netfilter::nft::{
    DataType, Element, Family as Tables, LONGEST_COMMENT, Nft, Set, SetLayout, Table, Transaction,
    Value,
};

use super::home::OWN_TABLE;
use crate::error::FirewallError;
use crate::target::Target;

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

/// Enters an address, whoever has it so far.
pub(super) fn enter(
    nft: &Nft,
    table: Table<'_>,
    id: &AttachmentId,
    address: IpAddr,
    changes: &mut Transaction,
) -> Result<(), NetlinkError> {
    let set = of_family(table, Family::of(address));
    let wanted = element(address).with_comment(&comment(id));
    match nft.element(set, &wanted)? {
        Some(found) if found.comment == wanted.comment => return Ok(()),
        // Adding it anew would leave the comment as it is.
        Some(_) => _ = changes.delete_elements(set, &[element(address)]),
        None => {}
    }
    changes.create_elements(set, &[wanted]);
    Ok(())
}

/// Whether an address is entered for an attachment.
pub(super) fn has(
    nft: &Nft,
    table: Table<'_>,
    id: &AttachmentId,
    address: IpAddr,
) -> Result<bool, NetlinkError> {
    let set = of_family(table, Family::of(address));
    let found = nft.element(set, &element(address))?;
    Ok(found.is_some_and(|found| found.comment == Some(comment(id))))
}

/// Takes addresses out, as far as they still belong to the attachments that go.
pub(super) fn remove(
    nft: &Nft,
    table: Table<'_>,
    targets: &[Target],
    changes: &mut Transaction,
) -> Result<(), NetlinkError> {
    for target in targets {
        let set = of_family(table, Family::of(target.address));
        let element = element(target.address);
        let comment = nft.element(set, &element)?.and_then(|found| found.comment);
        if comment.is_some_and(|comment| tag_of(&comment) == target.tag) {
            changes.delete_elements(set, &[element]);
        }
    }
    Ok(())
}

/// The addresses entered for an attachment, looked for among all.
pub(crate) fn owned_by(nft: &Nft, id: &AttachmentId) -> Result<Vec<IpAddr>, FirewallError> {
    let tag = id.tag();
    let owned = owned(nft, |comment| tag_of(comment) == tag)?;
    Ok(owned.into_iter().map(|(address, _)| address).collect())
}

/// The addresses entered for attachments to a network, with the tags of those.
pub(crate) fn owned_in_network(
    nft: &Nft,
    network: &str,
) -> Result<Vec<(IpAddr, String)>, FirewallError> {
    let prefix = format!("{}-", network_tag(network));
    let owned = owned(nft, |comment| comment.starts_with(&prefix))?;
    let tagged = |(address, comment): (IpAddr, String)| (address, tag_of(&comment).to_owned());
    Ok(owned.into_iter().map(tagged).collect())
}

fn owned(nft: &Nft, is: impl Fn(&str) -> bool) -> Result<Vec<(IpAddr, String)>, FirewallError> {
    let mut owned = Vec::new();
    let table = Table::new(Tables::Inet, OWN_TABLE);
    for (family, _) in NAMES {
        for element in nft.elements(of_family(table, family))? {
            let comment = element.comment.unwrap_or_default();
            let address = address_of(element.key.as_bytes()).filter(|_| is(&comment));
            owned.extend(address.map(|address| (address, comment)));
        }
    }
    Ok(owned)
}

fn element(address: IpAddr) -> Element {
    Element::new(&[Value::Address(address)])
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let sixteen = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    four().or_else(|_| sixteen()).ok()
}

/// Whose an address is: a tag to be found by, and the names for people.
pub(super) fn comment(id: &AttachmentId) -> String {
    let mut comment = format!(
        "{}, net: {}, if: {}, id: {}",
        id.tag(),
        id.network,
        id.ifname,
        id.container_id
    );
    truncate(&mut comment, LONGEST_COMMENT);
    comment
}

fn tag_of(comment: &str) -> &str {
    comment.split(',').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_begin_with_the_tag_and_fit() {
        let id = AttachmentId {
            network: "unit-test".into(),
            container_id: "one".into(),
            ifname: "eth0".into(),
        };
        assert_eq!(
            comment(&id),
            "6fd94d501e58f0aa-287fc69eff0574a2, net: unit-test, if: eth0, id: one"
        );
        let long = AttachmentId {
            container_id: "x".repeat(300),
            ..id
        };
        assert_eq!(comment(&long).len(), LONGEST_COMMENT);
        assert_eq!(tag_of(&comment(&long)), long.tag());
    }

    #[test]
    fn keys_are_addresses() {
        assert_eq!(address_of(&[10, 1, 2, 3]), Some([10, 1, 2, 3].into()));
        assert_eq!(address_of(&[0; 16]), Some([0u8; 16].into()));
        assert_eq!(address_of(&[0; 5]), None);
    }
}
