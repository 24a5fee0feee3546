//! DEL and GC: removes rules from every packet filter.

use std::net::IpAddr;

use cni_types::{Attachments, Error};
use ferrule_kernel::FileLock;
use ferrule_net::{AttachmentId, NetError, Tags};
use ferrule_netfilter::nft::Nft;

use crate::config::{FirewallBackend, ForwardChain, Plan};
use crate::dbus::TIMEOUT;
use crate::firewalld::{self, Firewalld};
use crate::removal::{Owner, Removal};
use crate::state::{Record, State};
use crate::{iptables, nftables};

/// Removes everything of an attachment: the rules of `named`, the addresses of the previous result,
/// and those of its recorded or found addresses.
pub(crate) fn remove(plan: &Plan, id: &AttachmentId, named: &[IpAddr]) -> Result<(), NetError> {
    let mut cleaner = Cleaner::new(plan)?;
    let _lock = FileLock::of_namespace()?;
    let state = State::at(&plan.folder);
    let tag = id.tag();
    let record = state.record(&tag);
    let recorded = match &record {
        Some(record) => record.addresses.clone(),
        None => cleaner.found(id)?,
    };
    let removals = removals(&state, &tag, named, &recorded);
    cleaner.include(record.as_ref());
    cleaner.clean(&removals)?;
    let addresses: Vec<IpAddr> = recorded.into_iter().chain(named.iter().copied()).collect();
    Ok(state.del(&tag, &addresses)?)
}

/// Removes everything of the attachments to a network that are not in `keep`.
pub(crate) fn collect(plan: &Plan, network: &str, keep: &Attachments) -> Result<(), NetError> {
    let mut cleaner = Cleaner::new(plan)?;
    let _lock = FileLock::of_namespace()?;
    let state = State::at(&plan.folder);
    let known = Tags::new(network, keep);
    let (mut removals, mut gone) = (Vec::new(), Vec::new());
    let found = cleaner.found_in_network(network)?;
    let mut tags = state.of_network(network)?;
    tags.extend(found.iter().map(|(_, tag)| tag.clone()));
    tags.sort_unstable();
    tags.dedup();
    for tag in tags.into_iter().filter(|tag| known.is_stale(tag)) {
        let record = state.record(&tag);
        cleaner.include(record.as_ref());
        let recorded = record.map(|record| record.addresses).unwrap_or_default();
        let found = found.iter().filter(|(_, owner)| *owner == tag);
        let addresses: Vec<_> = recorded
            .into_iter()
            .chain(found.map(|(one, _)| *one))
            .collect();
        removals.extend(self::removals(&state, &tag, &[], &addresses));
        gone.push((tag, addresses));
    }
    cleaner.clean(&removals)?;
    for (tag, addresses) in gone {
        state.del(&tag, &addresses)?;
    }
    Ok(())
}

/// The addresses whose rules are removed.
fn removals(state: &State, tag: &str, named: &[IpAddr], recorded: &[IpAddr]) -> Vec<Removal> {
    let mut removals: Vec<Removal> = Vec::new();
    let named = named.iter().map(|address| (address, Owner::Any));
    let recorded = recorded.iter().map(|address| (address, Owner::Ours));
    for (&address, owner) in named.chain(recorded) {
        if removals.iter().any(|known| known.address == address) {
            continue;
        }
        let elsewhere = state.holder(address).is_some_and(|holder| holder != tag);
        let owner = match owner {
            Owner::Any if elsewhere => Owner::GoPlugin,
            _ if elsewhere => continue,
            other => other,
        };
        let tag = tag.to_owned();
        removals.push(Removal {
            address,
            tag,
            owner,
        });
    }
    removals
}

/// Removes rules from all back ends.
///
/// Drop it after the lock is released: closing its netlink socket waits until the kernel has freed
/// the deleted rules (`nf_tables_trans_destroy_flush_work`).
pub(crate) struct Cleaner {
    nft: Option<Nft>,
    forward_chains: Vec<ForwardChain>,
    zones: Vec<String>,
    /// Whether firewalld may have one of the addresses.
    firewalld: bool,
    /// Whether a failure of firewalld fails the verb.
    firewalld_matters: bool,
}

impl Cleaner {
    /// A cleaner for the zone and chains of the configuration.
    pub(crate) fn new(plan: &Plan) -> Result<Self, NetError> {
        Ok(Self {
            nft: Nft::open_if_supported()?,
            forward_chains: plan.forward_chains.clone().unwrap_or_default(),
            zones: vec![plan.zone.clone()],
            firewalld: false,
            firewalld_matters: matches!(plan.backend, None | Some(FirewallBackend::Firewalld)),
        })
    }

    /// The addresses of an attachment in the sets of `nf_tables`.
    fn found(&self, id: &AttachmentId) -> Result<Vec<IpAddr>, NetError> {
        let owned = self.nft.as_ref().map(|nft| nftables::owned_by(nft, id));
        owned.unwrap_or_else(|| Ok(Vec::new()))
    }

    /// The addresses of all attachments to a network, with their tags.
    fn found_in_network(&self, network: &str) -> Result<Vec<(IpAddr, String)>, NetError> {
        let nft = self.nft.as_ref();
        let owned = nft.map(|nft| nftables::owned_in_network(nft, network));
        owned.unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Adds the chains and the zone of a record. Without a record firewalld may have the addresses.
    pub(crate) fn include(&mut self, record: Option<&Record>) {
        let Some(record) = record else {
            self.firewalld = true;
            return;
        };
        for chain in record.forward_chains.iter().flat_map(|text| text.parse()) {
            if !self.forward_chains.contains(&chain) {
                self.forward_chains.push(chain);
            }
        }
        if record.backend == FirewallBackend::Firewalld {
            (self.firewalld, self.firewalld_matters) = (true, true);
            if !self.zones.contains(&record.zone) {
                self.zones.push(record.zone.clone());
            }
        }
    }

    /// Removes the rules of addresses from every back end, even if one fails.
    pub(crate) fn clean(&self, removals: &[Removal]) -> Result<(), Error> {
        if removals.is_empty() {
            return Ok(());
        }
        let outcomes = [
            self.clean_nftables(removals),
            iptables::remove_from_older_tables(removals),
            self.clean_firewalld(removals),
        ];
        Error::join(outcomes.map(|outcome| Ok(outcome?)))
    }

    fn clean_nftables(&self, removals: &[Removal]) -> Result<(), NetError> {
        match &self.nft {
            Some(nft) => nftables::remove(nft, removals, &self.forward_chains),
            None => Ok(()),
        }
    }

    fn clean_firewalld(&self, removals: &[Removal]) -> Result<(), NetError> {
        // If firewalld does not run there is nothing to remove: runtime sources end with it.
        if !self.firewalld {
            return Ok(());
        }
        let mut firewalld = match Firewalld::connect_if_running(TIMEOUT) {
            Ok(Some(firewalld)) => firewalld,
            Err(error) if self.firewalld_matters => return Err(error.into()),
            _ => return Ok(()),
        };
        let ours = removals.iter().filter(|one| one.owner != Owner::GoPlugin);
        let addresses: Vec<IpAddr> = ours.map(|removal| removal.address).collect();
        for zone in &self.zones {
            let outcome = firewalld::remove(&mut firewalld, zone, &addresses);
            if self.firewalld_matters {
                outcome?;
            }
        }
        Ok(())
    }
}
