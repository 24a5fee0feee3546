//! DEL and GC: taking away what lets containers through, wherever it is.

use std::net::IpAddr;

use cni_types::{Attachments, Error};
use ferrule_kernel::FileLock;
use ferrule_net::{AttachmentId, Tags};
use ferrule_netfilter::nft::Nft;

use crate::bus::PATIENCE;
use crate::config::{Backend, ForwardChain, Plan};
use crate::error::{FirewallError, joined};
use crate::firewalld::{self, Firewalld};
use crate::ledger::{Ledger, Record};
use crate::target::{Target, Whose};
use crate::{iptables, nftables};

/// Takes away everything of an attachment. `named` are the addresses the runtime says it has;
/// without any, those noted or found go.
pub(crate) fn remove(plan: &Plan, id: &AttachmentId, named: &[IpAddr]) -> Result<(), Error> {
    let mut cleaner = Cleaner::new(plan)?;
    let _lock = FileLock::of_namespace().map_err(FirewallError::from)?;
    let ledger = Ledger::at(&plan.folder);
    let tag = id.tag();
    let record = ledger.record(&tag);
    let noted = match &record {
        Some(record) => record.addresses.clone(),
        None => cleaner.found(id)?,
    };
    let targets = targets(&ledger, &tag, named, &noted);
    cleaner.know(record.as_ref());
    joined(cleaner.clean(&targets))?;
    let addresses: Vec<IpAddr> = noted.into_iter().chain(named.iter().copied()).collect();
    Ok(ledger
        .leave(&tag, &addresses)
        .map_err(FirewallError::from)?)
}

/// Takes away everything of attachments to a network that are not to be kept.
pub(crate) fn collect(plan: &Plan, network: &str, keep: &Attachments) -> Result<(), Error> {
    let mut cleaner = Cleaner::new(plan)?;
    let _lock = FileLock::of_namespace().map_err(FirewallError::from)?;
    let ledger = Ledger::at(&plan.folder);
    let known = Tags::new(network, keep);
    let (mut targets, mut gone) = (Vec::new(), Vec::new());
    let found = cleaner.found_in_network(network)?;
    let mut tags = ledger.of_network(network).map_err(FirewallError::from)?;
    tags.extend(found.iter().map(|(_, tag)| tag.clone()));
    tags.sort_unstable();
    tags.dedup();
    for tag in tags.into_iter().filter(|tag| known.is_stale(tag)) {
        let record = ledger.record(&tag);
        cleaner.know(record.as_ref());
        let noted = record.map(|record| record.addresses).unwrap_or_default();
        let found = found.iter().filter(|(_, owner)| *owner == tag);
        let addresses: Vec<_> = noted
            .into_iter()
            .chain(found.map(|(one, _)| *one))
            .collect();
        targets.extend(self::targets(&ledger, &tag, &[], &addresses));
        gone.push((tag, addresses));
    }
    joined(cleaner.clean(&targets))?;
    for (tag, addresses) in gone {
        ledger
            .leave(&tag, &addresses)
            .map_err(FirewallError::from)?;
    }
    Ok(())
}

/// Which rules of which addresses are to go.
fn targets(ledger: &Ledger, tag: &str, named: &[IpAddr], noted: &[IpAddr]) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    let named = named.iter().map(|address| (address, Whose::Anyone));
    let noted = noted.iter().map(|address| (address, Whose::Ours));
    for (&address, whose) in named.chain(noted) {
        if targets.iter().any(|known| known.address == address) {
            continue;
        }
        let elsewhere = ledger.holder(address).is_some_and(|holder| holder != tag);
        let whose = match whose {
            Whose::Anyone if elsewhere => Whose::Theirs,
            _ if elsewhere => continue,
            other => other,
        };
        let tag = tag.to_owned();
        targets.push(Target {
            address,
            tag,
            whose,
        });
    }
    targets
}

/// Cleans all back ends.
///
/// Its conversation with the kernel takes a while to end, as the kernel disposes of what was
/// deleted first: let go of locks before.
pub(crate) struct Cleaner {
    nft: Option<Nft>,
    forward_chains: Vec<ForwardChain>,
    zones: Vec<String>,
    /// Whether firewalld may hold something of what goes.
    firewalld: bool,
    /// Whether it must be cleaned for the rest to count.
    firewalld_matters: bool,
}

impl Cleaner {
    /// One that knows where the configuration puts things.
    pub(crate) fn new(plan: &Plan) -> Result<Self, FirewallError> {
        Ok(Self {
            nft: Nft::open_if_supported()?,
            forward_chains: plan.forward_chains.clone().unwrap_or_default(),
            zones: vec![plan.zone.clone()],
            firewalld: false,
            firewalld_matters: matches!(plan.backend, None | Some(Backend::Firewalld)),
        })
    }

    /// The addresses that the ruleset says an attachment has.
    fn found(&self, id: &AttachmentId) -> Result<Vec<IpAddr>, FirewallError> {
        let owned = self.nft.as_ref().map(|nft| nftables::owned_by(nft, id));
        owned.unwrap_or_else(|| Ok(Vec::new()))
    }

    /// The same for all attachments to a network, with their tags.
    fn found_in_network(&self, network: &str) -> Result<Vec<(IpAddr, String)>, FirewallError> {
        let nft = self.nft.as_ref();
        let owned = nft.map(|nft| nftables::owned_in_network(nft, network));
        owned.unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Learns where an attachment has been put, or that nobody knows.
    pub(crate) fn know(&mut self, record: Option<&Record>) {
        let Some(record) = record else {
            self.firewalld = true;
            return;
        };
        for chain in record.forward_chains.iter().flat_map(|text| text.parse()) {
            if !self.forward_chains.contains(&chain) {
                self.forward_chains.push(chain);
            }
        }
        if record.backend == Backend::Firewalld {
            (self.firewalld, self.firewalld_matters) = (true, true);
            if !self.zones.contains(&record.zone) {
                self.zones.push(record.zone.clone());
            }
        }
    }

    /// Takes the rules of addresses out of every back end. What cannot be removed in one does not
    /// keep the others from being cleaned.
    pub(crate) fn clean(&self, targets: &[Target]) -> Vec<FirewallError> {
        if targets.is_empty() {
            return Vec::new();
        }
        let outcomes = [
            self.clean_nftables(targets),
            iptables::remove_from_older_tables(targets),
            self.clean_firewalld(targets),
        ];
        outcomes.into_iter().filter_map(Result::err).collect()
    }

    fn clean_nftables(&self, targets: &[Target]) -> Result<(), FirewallError> {
        match &self.nft {
            Some(nft) => nftables::remove(nft, targets, &self.forward_chains),
            None => Ok(()),
        }
    }

    fn clean_firewalld(&self, targets: &[Target]) -> Result<(), FirewallError> {
        // One that does not run holds nothing: what it got from us does not outlive it.
        if !self.firewalld {
            return Ok(());
        }
        let mut firewalld = match Firewalld::connect_if_running(PATIENCE) {
            Ok(Some(firewalld)) => firewalld,
            Err(error) if self.firewalld_matters => return Err(error.into()),
            _ => return Ok(()),
        };
        let ours = targets.iter().filter(|one| one.whose != Whose::Theirs);
        let addresses: Vec<IpAddr> = ours.map(|target| target.address).collect();
        for zone in &self.zones {
            let outcome = firewalld::remove(&mut firewalld, zone, &addresses);
            if self.firewalld_matters {
                outcome?;
            }
        }
        Ok(())
    }
}
