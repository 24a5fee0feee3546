//! Mappings as rules of iptables' table `nat`, in the form of the Go plugin: each plugin can check and
//! remove what the other wrote.
//!
//! Every change of a family is one call of `iptables-restore`, which takes effect as a whole.

mod order;
mod rules;
mod shared;

use std::collections::{BTreeSet, HashSet};

use cni_types::{Attachments, Error};
use ferrule_kernel::Family;
use ferrule_net::{AttachmentId, NetError};
use ferrule_netfilter::iptables::{IptablesError, ListedRule, Restore, TableChanges, Tool};

use crate::config::Plan;
use crate::conflicts::ClaimedPorts;
use crate::forwarding::Forwarding;
use crate::owner::Owner;
use crate::target::Target;
use rules::{ContainerRules, OLD_PREFIX, PREFIX};
use shared::{DNAT, OLD_SNAT, Present};

const TABLE: &str = "nat";

/// The prefix of a container's chain and the chain that jumps to it: today's, and those that the Go
/// plugin also created until 2018.
const PLACES: [(&str, &str); 2] = [(PREFIX, DNAT), (OLD_PREFIX, OLD_SNAT)];

/// The rules of one container for one family, and the tool that writes them.
#[derive(Debug)]
pub(crate) struct Rules<'a> {
    tool: Tool,
    owner: &'a Owner,
    plan: &'a Plan,
    claims: ClaimedPorts,
    wanted: ContainerRules,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(owner: &'a Owner, target: &Target, plan: &'a Plan) -> Result<Self, NetError> {
        Ok(Self {
            tool: Tool::find(target.family())?,
            owner,
            plan,
            claims: ClaimedPorts::new(target, plan),
            wanted: ContainerRules::new(&owner.id, target, plan),
        })
    }

    /// Writes the rules, in place of the container's own and of those of removed containers for the same
    /// ports.
    pub(crate) fn add(&self) -> Result<(), NetError> {
        self.tool.update(|changes| {
            let chain = &self.wanted.chain;
            let present = Present::find(&self.tool, self.plan)?;
            let order = order::order(&self.tool, chain, self.owner, &self.claims)?;
            let stale = entries(&self.tool, DNAT, chain)?;
            let nat = changes.table(TABLE);
            present.complete(nat, self.plan);
            for dead in &order.dead {
                delete(nat, dead, &entries(&self.tool, DNAT, dead)?);
            }
            nat.new_chain(chain);
            for (_, rule) in &self.wanted.own {
                nat.append(chain, rule);
            }
            let Owner { id, traces, .. } = self.owner;
            nat.append(chain, &rules::note_rule(&id.ifname, traces));
            for rule in &stale {
                nat.delete_listed(rule);
            }
            // Each before the one inserted last; the places count the rules that stay.
            for rule in self.wanted.entries.iter().rev() {
                nat.insert_at(DNAT, order.wide, rule);
            }
            for rule in self.wanted.narrow.iter().rev() {
                nat.insert_at(DNAT, order.narrow, rule);
            }
            Ok(())
        })
    }

    /// Compares the rules with those that [`Rules::add`] writes.
    pub(crate) fn check(&self) -> Result<(), NetError> {
        let listed = self.tool.rules_of_table(TABLE)?;
        let chain = &self.wanted.chain;
        shared::check(&listed, self.plan)?;
        for (what, rule) in &self.wanted.own {
            if !shared::is_listed(&listed, chain, rule) {
                return Err(shared::missing(chain, what));
            }
        }
        let of_chain = rules_where(&listed, |rule| rule.chain == *chain);
        // The Go plugin writes no rules for single addresses.
        let is_ours = rules::note(&of_chain).is_some();
        let narrow = self.wanted.narrow.iter().filter(|_| is_ours);
        for rule in narrow.chain(&self.wanted.entries) {
            // Only the tool knows how it prints conditions, or a comment it has cut. It is asked only
            // then: `-C` of the older variant sometimes takes one rule for another.
            let is_there = shared::is_listed(&listed, DNAT, rule)
                || (self.wanted.may_be_printed_otherwise
                    && self.tool.has_rule(TABLE, DNAT, rule)?);
            if !is_there {
                return Err(shared::missing(DNAT, &format!("rule \"{rule}\"")));
            }
        }
        Ok(())
    }
}

/// Whether an attachment, or another interface of the container, has a chain.
pub(crate) fn is_present(id: &AttachmentId) -> Result<bool, NetError> {
    for family in [Family::V4, Family::V6] {
        if let Ok(tool) = Tool::find(family)
            && tool.has_chain(TABLE, &id.chain(PREFIX))?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes the rules of an attachment, whichever tool wrote them; returns their translations.
pub(crate) fn remove(id: &AttachmentId) -> (Vec<Forwarding>, Result<(), Error>) {
    with_all_tools(|tool, changes, gone| {
        for (prefix, parent) in PLACES {
            let chain = id.chain(prefix);
            if !tool.has_chain(TABLE, &chain)? {
                continue;
            }
            let own = tool.rules(TABLE, &chain)?.unwrap_or_default();
            if rules::noted_interface(&own).is_some_and(|ifname| ifname != id.ifname) {
                continue;
            }
            let leading = entries(tool, parent, &chain)?;
            delete(changes.table(TABLE), &chain, &leading);
            gone.extend(own.iter().filter_map(rules::forwarding));
        }
        Ok(())
    })
}

/// Deletes the rules of the network's attachments that are not in `keep`, whichever tool wrote them;
/// returns their translations.
pub(crate) fn collect(network: &str, keep: &Attachments) -> (Vec<Forwarding>, Result<(), Error>) {
    let chain_of = |container_id: &str, prefix| {
        let id = AttachmentId {
            network: network.to_owned(),
            container_id: container_id.to_owned(),
            ifname: String::new(),
        };
        id.chain(prefix)
    };
    let live: HashSet<(String, &str)> = keep
        .iter()
        .flat_map(|one| PLACES.map(|(prefix, _)| (one, prefix)))
        .map(|(one, prefix)| (chain_of(&one.container_id, prefix), one.ifname.as_str()))
        .collect();
    let is_live = |chain: &str, ifname: Option<&str>| {
        live.iter()
            .any(|(known, name)| known == chain && ifname.is_none_or(|ifname| ifname == *name))
    };
    with_all_tools(|tool, changes, gone| {
        let mut inhabited = false;
        for (_, parent) in PLACES {
            inhabited |= tool.has_chain(TABLE, parent)?;
        }
        if !inhabited {
            return Ok(());
        }
        let listed = tool.rules_of_table(TABLE)?;
        for (prefix, parent) in PLACES {
            let leading = listed
                .iter()
                .filter(|rule| rule.chain == parent && rules::is_of_network(rule, network));
            let chains: BTreeSet<&str> = leading
                .filter_map(ListedRule::target)
                .filter(|target| target.starts_with(prefix))
                .collect();
            for chain in chains {
                let own: Vec<ListedRule> = rules_where(&listed, |rule| rule.chain == chain);
                if is_live(chain, rules::noted_interface(&own)) {
                    continue;
                }
                let leading = rules_where(&listed, |rule| {
                    rule.chain == parent && rule.target() == Some(chain)
                });
                delete(changes.table(TABLE), chain, &leading);
                gone.extend(own.iter().filter_map(rules::forwarding));
            }
        }
        Ok(())
    })
}

fn rules_where(rules: &[ListedRule], fits: impl Fn(&ListedRule) -> bool) -> Vec<ListedRule> {
    rules.iter().filter(|rule| fits(rule)).cloned().collect()
}

/// The jumps of `parent` to a chain; none if that chain does not exist.
fn entries(tool: &Tool, parent: &str, chain: &str) -> Result<Vec<ListedRule>, IptablesError> {
    if !tool.has_chain(TABLE, chain)? {
        return Ok(vec![]);
    }
    let mut entries = tool.rules(TABLE, parent)?.unwrap_or_default();
    entries.retain(|rule| rule.target() == Some(chain));
    Ok(entries)
}

/// Deletes a chain with the jumps to it.
fn delete(nat: &mut TableChanges, chain: &str, leading: &[ListedRule]) {
    for rule in leading {
        nat.delete_listed(rule);
    }
    nat.flush(chain).delete_chain(chain);
}

/// Runs `work` with every installed tool, even if one fails. A tool that does not work on this kernel
/// has no rules, so its failure is no error.
fn with_all_tools(
    work: impl Fn(&Tool, &mut Restore, &mut Vec<Forwarding>) -> Result<(), IptablesError>,
) -> (Vec<Forwarding>, Result<(), Error>) {
    let mut gone = Vec::new();
    let failures =
        Tool::for_each_installed(|tool| tool.update(|changes| work(tool, changes, &mut gone)));
    let real = failures
        .into_iter()
        .filter(|(tool, _)| tool.probe().is_ok());
    let errors = real.map(|(_, error)| Err(NetError::from(error).into()));
    let outcome = Error::join(errors);
    (gone, outcome)
}
