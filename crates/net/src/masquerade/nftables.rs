//! Masquerading in `nf_tables`: one rule per address in a table shared by all networks.

use std::fmt::Display;

use cni_types::Attachments;
use ferrule_kernel::Family::{V4, V6};
use ferrule_kernel::{IpNetwork, NetlinkError};
use ferrule_netfilter::nft::{
    BaseChain, Chain, ChainKind, ChainLayout, Family, Hook, ListedRule, Nft, Rule, SOURCE_NAT,
    Table, Transaction,
};

use super::multicast;
use crate::{AttachmentId, NetError, Tags, tag_of};

/// The table, its chains and their comments are those of the Go plugins, word by word.
const TABLE: Table<'_> = Table::new(Family::Inet, "cni_plugins_masquerade");
const TABLE_COMMENT: &str = "Masquerading for plugins from github.com/containernetworking/plugins";
const CHECKS: Chain<'_> = TABLE.chain("masq_checks");
const CHECKS_COMMENT: &str =
    "Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet";
const POSTROUTING: Chain<'_> = TABLE.chain("postrouting");
const BASE: BaseChain = BaseChain::new(ChainKind::Nat, Hook::Postrouting, SOURCE_NAT);

/// Makes the rules of an attachment, in place of those it has.
pub(super) fn add(id: &AttachmentId, addresses: &[IpNetwork]) -> Result<(), NetError> {
    let nft = Nft::open()?;
    let comment = id.comment();
    let tag = id.tag();
    nft.update(|changes| {
        let entry = entry_rules();
        // Where these rules are, there are the table and the chains that they are in and lead to.
        if !is_entry(&nft.rules(POSTROUTING)?, &entry) {
            lay_out(&nft, changes, &entry)?;
        }
        delete_marked(&nft, changes, |found| found.starts_with(&tag))?;
        for address in addresses {
            changes.append_rule(CHECKS, &masquerade(*address).with_comment(comment.as_str()));
        }
        Ok(())
    })
}

/// Adds what all attachments share.
fn lay_out(nft: &Nft, changes: &mut Transaction, entry: &[Rule]) -> Result<(), NetlinkError> {
    changes.add_table(TABLE, Some(TABLE_COMMENT));
    let regular = ChainLayout::regular().with_comment(CHECKS_COMMENT);
    nft.add_missing_chain(changes, CHECKS, &regular)?;
    nft.add_missing_chain(changes, POSTROUTING, &ChainLayout::base(BASE))?;
    changes.flush_chain(POSTROUTING);
    for rule in entry {
        changes.append_rule(POSTROUTING, rule);
    }
    Ok(())
}

/// Deletes the rules of an attachment.
pub(super) fn remove(id: &AttachmentId) -> Result<(), NetError> {
    let tag = id.tag();
    remove_marked(|comment| comment.starts_with(&tag))
}

/// Deletes the rules of all attachments to a network that are not to be kept.
pub(super) fn gc(network: &str, keep: &Attachments) -> Result<(), NetError> {
    let tags = Tags::new(network, keep);
    remove_marked(|comment| tags.is_stale(tag_of(comment)))
}

/// Whether there are rules of an attachment.
pub(super) fn has_rules(id: &AttachmentId) -> Result<bool, NetError> {
    let Some(nft) = Nft::open_if_supported()? else {
        return Ok(false);
    };
    let tag = id.tag();
    let rules = nft.rules_with_comment(CHECKS, |comment| comment.starts_with(&tag))?;
    Ok(!rules.is_empty())
}

/// Compares what is there with what [`add`] makes.
pub(super) fn check(id: &AttachmentId, addresses: &[IpNetwork]) -> Result<(), NetError> {
    let nft = Nft::open()?;
    let missing = |chain: Chain<'_>, rule: &dyn Display| {
        Err(NetError::Mismatch(format!(
            "masquerade rule missing in {chain}: {rule}"
        )))
    };
    if nft.chain(POSTROUTING)?.and_then(|chain| chain.base) != Some(BASE) {
        return missing(POSTROUTING, &"type nat hook postrouting priority 100");
    }
    let mut entered = nft.rules(POSTROUTING)?.into_iter();
    for rule in entry_rules() {
        if !entered.next().is_some_and(|found| found.same_as(&rule)) {
            return missing(POSTROUTING, &rule);
        }
    }
    let tag = id.tag();
    let rules = nft.rules_with_comment(CHECKS, |comment| comment.starts_with(&tag))?;
    for address in addresses {
        let rule = masquerade(*address);
        if !rules.iter().any(|found| found.same_as(&rule)) {
            return missing(CHECKS, &rule);
        }
    }
    Ok(())
}

/// The rules that lead to those of the attachments.
fn entry_rules() -> [Rule; 3] {
    let rule = || Rule::new(Family::Inet);
    [
        rule().destination(multicast(V4)).return_to_caller(),
        rule().destination(multicast(V6)).return_to_caller(),
        rule().goto(CHECKS.name),
    ]
}

fn is_entry(found: &[ListedRule], wanted: &[Rule]) -> bool {
    found.len() == wanted.len()
        && found
            .iter()
            .zip(wanted)
            .all(|(found, rule)| found.same_as(rule))
}

fn masquerade(address: IpNetwork) -> Rule {
    Rule::new(Family::Inet)
        .source(address.ip().into())
        .destination_outside(address)
        .masquerade()
}

fn remove_marked(marked: impl Fn(&str) -> bool) -> Result<(), NetError> {
    let Some(nft) = Nft::open_if_supported()? else {
        return Ok(());
    };
    nft.update(|changes| Ok(delete_marked(&nft, changes, &marked)?))
}

/// Adds the deletion of all rules whose comment fits.
fn delete_marked(
    nft: &Nft,
    changes: &mut Transaction,
    marked: impl Fn(&str) -> bool,
) -> Result<(), NetlinkError> {
    for rule in nft.rules_with_comment(CHECKS, marked)? {
        changes.delete_rule(CHECKS, rule.handle);
    }
    Ok(())
}
