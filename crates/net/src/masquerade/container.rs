//! What a container has in a network: the rules that lead to its chain, and the chain.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ferrule_kernel::{Family, IpNetwork};
use ferrule_netfilter::iptables::{IptablesError, ListedRule, Rule, TableChanges, Tool};

use super::iptables::{ENTRY, PREFIX, TABLE, accept, delete_all, masquerade};
use crate::AttachmentId;

/// What a container has in a network, in one tool's tables.
#[derive(Debug, Default)]
pub(super) struct Container {
    /// The rules that lead to its chain.
    entries: Vec<ListedRule>,
    /// The interfaces of the addresses, as far as the chain names them.
    pub(super) owners: Vec<AddressOwner>,
    /// The networks accepted in its chain.
    accepted: BTreeSet<IpNetwork>,
}

/// An address and the interface it belongs to.
#[derive(Debug)]
pub(super) struct AddressOwner {
    pub(super) address: IpNetwork,
    pub(super) ifname: String,
}

impl Container {
    /// Reads it; `None` if it has no chain, which is found out without starting a process.
    pub(super) fn read(tool: &Tool, id: &AttachmentId) -> Result<Option<Self>, IptablesError> {
        let chain = id.chain(PREFIX);
        if !tool.has_chain(TABLE, &chain)? {
            return Ok(None);
        }
        let mut rules = tool.rules(TABLE, ENTRY)?.unwrap_or_default();
        rules.extend(tool.rules(TABLE, &chain)?.unwrap_or_default());
        Ok(Some(Self::find(&rules, &chain).unwrap_or_default()))
    }

    /// Picks it out of a listing; `None` if no rule is in the chain or leads to it.
    pub(super) fn find(rules: &[ListedRule], chain: &str) -> Option<Self> {
        let mut container = Self::default();
        let mut found = false;
        for rule in rules {
            let inside = rule.chain == chain;
            let entry = rule.chain == ENTRY && rule.target() == Some(chain);
            found |= inside || entry;
            if entry {
                container.entries.push(rule.clone());
            }
            let network = rule.option("-d").and_then(|text| text.parse().ok());
            let Some(network) = network.filter(|_| inside) else {
                continue;
            };
            match rule.target() {
                Some("ACCEPT") => _ = container.accepted.insert(network),
                None => container.owners.extend(AddressOwner::parse(rule, network)),
                Some(_) => {}
            }
        }
        found.then_some(container)
    }

    /// Takes out the entries, with their owners, of those addresses and interfaces that fit.
    pub(super) fn take_entries(
        &mut self,
        fits: impl Fn(IpAddr, Option<&str>) -> bool,
    ) -> Vec<ListedRule> {
        let ifname_of = |address| {
            let owner = self
                .owners
                .iter()
                .find(|owner| owner.address.ip() == address);
            owner.map(|owner| owner.ifname.as_str())
        };
        let (taken, kept) = self.entries.drain(..).partition(|entry| {
            // Somebody's rule without a source is for no address that could be kept.
            source_of(entry).is_none_or(|source| fits(source.ip(), ifname_of(source.ip())))
        });
        self.entries = kept;
        self.owners
            .retain(|owner| !fits(owner.address.ip(), Some(&owner.ifname)));
        if self.entries.is_empty() {
            self.accepted.clear();
        }
        taken
    }

    /// Writes its chain anew.
    pub(super) fn write(&self, nat: &mut TableChanges, id: &AttachmentId, family: Family) {
        let chain = id.chain(PREFIX);
        nat.new_chain(&chain);
        let mut networks = self.accepted.clone();
        for owner in &self.owners {
            nat.append(&chain, &owner.rule());
            networks.insert(owner.address);
        }
        let networks: BTreeSet<_> = networks.into_iter().map(without_host_bits).collect();
        for network in networks {
            nat.append(&chain, &accept(id, network));
        }
        nat.append(&chain, &masquerade(id, family));
    }
}

impl AddressOwner {
    fn rule(&self) -> Rule {
        Rule::new()
            .source(self.address.ip().into())
            .destination(self.address)
            .comment(&format!("if: \"{}\"", self.ifname))
    }

    fn parse(listed: &ListedRule, network: IpNetwork) -> Option<Self> {
        let ifname = owner_ifname(listed.comment()?)?;
        let address = source_of(listed)?.ip();
        let address = IpNetwork::new(address, network.prefix()).ok()?;
        Some(Self {
            address,
            ifname: ifname.to_owned(),
        })
    }
}

/// The interface that a comment names.
pub(super) fn owner_ifname(comment: &str) -> Option<&str> {
    comment.strip_prefix("if: \"")?.strip_suffix('"')
}

/// Deletes what does not belong to interfaces that are kept, and the chain if that is all.
pub(super) fn prune(
    nat: &mut TableChanges,
    mut container: Container,
    id: &AttachmentId,
    family: Family,
    kept: impl Fn(&str) -> bool,
) {
    let dead = container.take_entries(|_, ifname| !ifname.is_some_and(&kept));
    delete_all(nat, &dead);
    if container.entries.is_empty() {
        let chain = id.chain(PREFIX);
        nat.flush(&chain).delete_chain(&chain);
    } else {
        container.accepted.clear();
        container.write(nat, id, family);
    }
}

fn source_of(rule: &ListedRule) -> Option<IpNetwork> {
    rule.option("-s")?.parse().ok()
}

fn without_host_bits(network: IpNetwork) -> IpNetwork {
    IpNetwork::new(network.network(), network.prefix()).unwrap_or(network)
}
