//! Masquerading with iptables: a chain per container and network, entered from POSTROUTING.
//!
//! For a container at 10.1.2.3/24:
//!
//! ```text
//! -A POSTROUTING -s 10.1.2.3/32 -m comment --comment "…" -j CNI-…
//! -A CNI-… -s 10.1.2.3/32 -d 10.1.2.0/24 -m comment --comment "if: \"eth0\""
//! -A CNI-… -d 10.1.2.0/24 -m comment --comment "…" -j ACCEPT
//! -A CNI-… ! -d 224.0.0.0/4 -m comment --comment "…" -j MASQUERADE
//! ```
//!
//! All but the second are those of the Go plugins, with two differences: every network of the
//! container is accepted before anything is masqueraded, and everything is written at once. The
//! second decides nothing. It notes which interface the address belongs to, as two attachments
//! of one container to one network share the chain: that way one can go while the other stays.
//! The Go plugins empty the chain whatever is in it.

use std::collections::BTreeSet;

use cni_types::{Attachments, Error};
use ferrule_kernel::{Family, IpNetwork};
use ferrule_netfilter::iptables::{IptablesError, ListedRule, Rule, TableChanges, Tool};

use super::container::{AddressOwner, Container, owner_ifname, prune};
use super::{comment, multicast};
use crate::{AttachmentId, NetError};

pub(super) const TABLE: &str = "nat";
pub(super) const ENTRY: &str = "POSTROUTING";
pub(super) const PREFIX: &str = "CNI-";

/// Whether ADD also finds out that the back end is usable in the way [`Backend::of_node`] does.
///
/// [`Backend::of_node`]: ferrule_netfilter::Backend::of_node
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    No,
    /// The table that is probed is named in the same call of the tool.
    Within,
}

/// Makes the rules of an attachment, in place of those it has.
pub(super) fn add(
    id: &AttachmentId,
    addresses: &[IpNetwork],
    probe: Probe,
) -> Result<(), NetError> {
    for family in [Family::V4, Family::V6] {
        let own: Vec<_> = of_family(addresses, family).collect();
        if own.is_empty() {
            continue;
        }
        let tool = Tool::find(family)?;
        tool.update(|changes| {
            let mut wanted = Container::read(&tool, id)?.unwrap_or_default();
            let stale = wanted.take_entries(|address, ifname| {
                ifname == Some(id.ifname.as_str()) || own.iter().any(|one| one.ip() == address)
            });
            wanted.owners.extend(own.iter().map(|address| AddressOwner {
                address: *address,
                ifname: id.ifname.clone(),
            }));
            if probe == Probe::Within {
                changes.table("filter");
            }
            let nat = changes.table(TABLE);
            wanted.write(nat, id, family);
            delete_all(nat, &stale);
            for address in &own {
                nat.append(ENTRY, &entry(id, *address));
            }
            Ok::<_, IptablesError>(())
        })?;
    }
    Ok(())
}

/// Deletes the rules of an attachment, whichever tool made them; with its chain, unless another
/// interface of the container needs that.
pub(super) fn remove(id: &AttachmentId) -> Result<(), NetError> {
    let foreign = |ifname: &str| ifname != id.ifname;
    let chain = id.chain(PREFIX);
    with_all_tools(|tool| {
        tool.update(|changes| {
            if !tool.has_chain(TABLE, &chain)? {
                return Ok(());
            }
            let comments = tool.comments(TABLE, &chain)?;
            if !comments
                .iter()
                .filter_map(|text| owner_ifname(text))
                .any(foreign)
            {
                return tool.delete_chain(TABLE, &chain, ENTRY).map(drop);
            }
            if let Some(container) = Container::read(tool, id)? {
                prune(changes.table(TABLE), container, id, tool.family(), foreign);
            }
            Ok(())
        })
    })
}

/// Deletes the rules of all attachments to a network that are not to be kept. The table is
/// listed as a whole: besides dead containers there may be dead interfaces of live ones.
pub(super) fn gc(network: &str, keep: &Attachments) -> Result<(), NetError> {
    with_all_tools(|tool| {
        tool.update(|changes| {
            if !tool.may_hold_rules(TABLE)? {
                return Ok(());
            }
            let mut rules = tool.rules_of_table(TABLE)?;
            rules.retain(|rule| {
                rule.chain.starts_with(PREFIX)
                    || rule
                        .target()
                        .is_some_and(|target| target.starts_with(PREFIX))
            });
            let containers: BTreeSet<String> = rules
                .iter()
                .filter_map(|rule| comment::container_of(rule.comment()?, network))
                .collect();
            for container_id in containers {
                let id = AttachmentId {
                    network: network.to_owned(),
                    ifname: String::new(),
                    container_id,
                };
                let Some(container) = Container::find(&rules, &id.chain(PREFIX)) else {
                    continue;
                };
                let kept = |ifname: &str| keep.contains(&id.container_id, ifname);
                // Nothing was ifname_of by the Go plugins, whose interfaces cannot be told apart.
                let live = keep.contains_container(&id.container_id)
                    && container.owners.iter().all(|owner| kept(&owner.ifname));
                if !live {
                    prune(changes.table(TABLE), container, &id, tool.family(), kept);
                }
            }
            Ok(())
        })
    })
}

/// Compares what is there with what [`add`] makes.
pub(super) fn check(id: &AttachmentId, addresses: &[IpNetwork]) -> Result<(), NetError> {
    for family in [Family::V4, Family::V6] {
        let own: Vec<_> = of_family(addresses, family).collect();
        if own.is_empty() {
            continue;
        }
        let tool = Tool::find(family)?;
        let chain = id.chain(PREFIX);
        let missing = |place: &str, rule: &Rule| {
            Err(NetError::Mismatch(format!(
                "masquerade rule missing in chain {place:?} of table {TABLE}: {rule}"
            )))
        };
        let entries = tool.rules(TABLE, ENTRY)?.unwrap_or_default();
        let rules = tool.rules(TABLE, &chain)?.unwrap_or_default();
        let place = |wanted: &Rule| rules.iter().position(|found| found.rule == *wanted);
        let last = masquerade(id, family);
        let Some(end) = place(&last) else {
            return missing(&chain, &last);
        };
        for address in own {
            let wanted = entry(id, address);
            if !entries.iter().any(|found| found.rule == wanted) {
                return missing(ENTRY, &wanted);
            }
            let wanted = accept(id, address);
            // Behind the masquerade it would never be reached.
            if place(&wanted).is_none_or(|place| place > end) {
                return missing(&chain, &wanted);
            }
        }
    }
    Ok(())
}

pub(super) fn delete_all(nat: &mut TableChanges, rules: &[ListedRule]) {
    for rule in rules {
        nat.delete_listed(rule);
    }
}

fn entry(id: &AttachmentId, address: IpNetwork) -> Rule {
    let comment = comment::iptables(&id.network, &id.container_id);
    let chain = id.chain(PREFIX);
    Rule::new()
        .source(address.ip().into())
        .comment(&comment)
        .jump(&chain)
}

pub(super) fn accept(id: &AttachmentId, network: IpNetwork) -> Rule {
    let comment = comment::iptables(&id.network, &id.container_id);
    Rule::new()
        .destination(network)
        .comment(&comment)
        .jump("ACCEPT")
}

pub(super) fn masquerade(id: &AttachmentId, family: Family) -> Rule {
    let comment = comment::iptables(&id.network, &id.container_id);
    Rule::new()
        .destination_outside(multicast(family))
        .comment(&comment)
        .jump("MASQUERADE")
}

fn of_family(addresses: &[IpNetwork], family: Family) -> impl Iterator<Item = IpNetwork> {
    addresses
        .iter()
        .copied()
        .filter(move |address| Family::of(address.ip()) == family)
}

/// Runs `work` with every installed tool, even if one fails.
fn with_all_tools(work: impl FnMut(&Tool) -> Result<(), IptablesError>) -> Result<(), NetError> {
    let failures = Tool::for_each_installed(work).into_iter();
    let errors = failures.map(|(_, error)| Err(NetError::from(error).into()));
    Ok(Error::join(errors)?)
}
