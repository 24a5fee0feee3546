//! Reading and deleting what the nft variant of iptables wrote, without running the tool.
//!
//! Its tables and chains are those of `nf_tables` under the same names, jumps are verdicts, and
//! comments are xtables matches inside a rule. Deleting needs no more than that. The tool itself takes
//! ten milliseconds and more: before it exits it waits until the kernel has freed what was deleted.

use std::borrow::Cow;

use super::held;
use super::rule::Entry;
use crate::nft::{Chain, Expression, ListedRule, Nft, Verdict};
use ferrule_kernel::NetlinkError;

/// Deletes a chain with its rules, and the rules of `entries` that jump to it; `false` if it does not
/// exist.
pub(super) fn delete_chain(chain: Chain<'_>, entries: Chain<'_>) -> Result<bool, NetlinkError> {
    let Some(nft) = Nft::open_if_supported()? else {
        return Ok(false);
    };
    nft.update(|changes| {
        if nft.chain(chain)?.is_none() {
            return Ok(false);
        }
        for rule in nft.rules(entries)? {
            if leads_to(&rule, chain.name) {
                changes.delete_rule(entries, rule.handle);
            }
        }
        changes.delete_chain(chain);
        Ok(true)
    })
}

/// The comments on the rules of a chain.
pub(super) fn comments(chain: Chain<'_>) -> Result<Vec<String>, NetlinkError> {
    let rules = match Nft::open_if_supported()? {
        Some(nft) => nft.rules(chain)?,
        None => Vec::new(),
    };
    let comments = rules.iter().filter_map(held::comment);
    Ok(comments.map(Cow::into_owned).collect())
}

/// The rules of a chain by the chains they jump to.
pub(super) fn entries(chain: Chain<'_>) -> Result<Vec<Entry>, NetlinkError> {
    let rules = match Nft::open_if_supported()? {
        Some(nft) => nft.rules(chain)?,
        None => Vec::new(),
    };
    let entry = |rule: ListedRule| Entry {
        target: rule.expressions.iter().find_map(target).map(str::to_owned),
        ports: rule.expressions.iter().find_map(ports),
        comment: held::comment(&rule).map(Cow::into_owned),
    };
    Ok(rules.into_iter().map(entry).collect())
}

/// The destination ports of the match `multiport`, if it names each: `struct xt_multiport_v1` of
/// `linux/netfilter/xt_multiport.h` with flags, count, 15 ports, 15 marks of ranges, inversion.
fn ports(expression: &Expression) -> Option<Vec<u16>> {
    const DESTINATION: u8 = 1;
    let Expression::Match { name, data, .. } = expression else {
        return None;
    };
    let (&[flags, count], rest) = data.split_first_chunk()?;
    let (ports, rest) = rest.split_at_checked(30)?;
    let names_each = rest.get(..16)?.iter().all(|mark| *mark == 0);
    if name != "multiport" || flags != DESTINATION || !names_each {
        return None;
    }
    let ports = ports.chunks_exact(2).take(usize::from(count));
    ports
        .map(|port| port.try_into().ok().map(u16::from_ne_bytes))
        .collect()
}

fn target(expression: &Expression) -> Option<&str> {
    match expression {
        Expression::Verdict(Verdict::Jump(target) | Verdict::Goto(target)) => Some(target),
        _ => None,
    }
}

fn leads_to(rule: &ListedRule, chain: &str) -> bool {
    rule.expressions
        .iter()
        .filter_map(target)
        .any(|one| one == chain)
}
