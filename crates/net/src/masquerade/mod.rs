//! Masquerading: what leaves a container for somewhere outside its own network gets an address of
//! the node as its source (key `ipMasq` of bridge and ptp).
//!
//! [`Masquerade`] makes, removes and checks the rules of one attachment; [`gc`] removes those of
//! attachments nobody knows any more. Rules live in one of two packet filters ([`Backend`]) in
//! exactly the form of the Go plugins, so that each can remove what the other made. Removing
//! needs nothing but the names of network, container and interface, and always looks into both
//! packet filters and, where both variants of iptables are installed, into both of these.
//!
//! All functions work in the network namespace of the calling thread, which is to be the host's.

mod comment;
mod config;
mod container;
mod iptables;
mod nftables;

use cni_types::{Attachments, Error};
use ferrule_kernel::{Family, IpNetwork};
use ferrule_netfilter::Backend;
use ferrule_netfilter::iptables::Tool;

pub use config::MasqueradeConfig;

use crate::backend::ensure_usable;
use crate::{AttachmentId, NetError};
use iptables::Probe;

/// The masquerading of one attachment.
#[derive(Debug, Clone, Copy)]
pub struct Masquerade<'a> {
    id: &'a AttachmentId,
}

impl<'a> Masquerade<'a> {
    /// That of an attachment.
    pub fn of(id: &'a AttachmentId) -> Self {
        Self { id }
    }

    /// Makes the rules for these addresses, each with the prefix of its network, in place of any
    /// the attachment has in the same packet filter. Without a back end [`Backend::of_node`]
    /// chooses. After an error no rule of the attachment is left.
    ///
    /// Starts no process for nftables and one per IP version for iptables.
    pub fn add(
        self,
        backend: Option<Backend>,
        addresses: &[IpNetwork],
    ) -> Result<Backend, NetError> {
        let added = match backend {
            Some(backend) => self.add_to(backend, addresses, Probe::No).map(|()| backend),
            None => self.add_by_default(addresses),
        };
        if added.is_err() {
            // What the first IP version got; the error that matters is the other one.
            drop(self.remove());
        }
        added
    }

    /// Removes all rules, in whichever packet filter they are; none being there is no error.
    ///
    /// This starts processes only where iptables is of the older variant, with a table `nat` in
    /// use, or a script, or if another interface of the container shares the chain. The kernel
    /// disposes of what was deleted for ten milliseconds and more, during which the caller should
    /// go on to what else it has to remove.
    pub fn remove(self) -> Result<(), NetError> {
        let results = [nftables::remove(self.id), iptables::remove(self.id)];
        Ok(Error::join(results.map(|result| Ok(result?)))?)
    }

    /// Compares the rules with those [`Masquerade::add`] makes; the error names the first that is
    /// missing or different. Without a back end the one that has rules of the attachment counts.
    pub fn check(self, backend: Option<Backend>, addresses: &[IpNetwork]) -> Result<(), NetError> {
        let nftables = match backend {
            Some(backend) => backend == Backend::Nftables,
            None => nftables::has_rules(self.id)?,
        };
        if nftables {
            nftables::check(self.id, addresses)
        } else {
            iptables::check(self.id, addresses)
        }
    }

    fn add_to(
        self,
        backend: Backend,
        addresses: &[IpNetwork],
        probe: Probe,
    ) -> Result<(), NetError> {
        match backend {
            Backend::Iptables => iptables::add(self.id, addresses, probe),
            Backend::Nftables => nftables::add(self.id, addresses),
        }
    }

    /// As [`Backend::of_node`] and then adding, but without a process for the first if it leads
    /// to iptables: adding there succeeds only if the choice would have been the same.
    fn add_by_default(self, addresses: &[IpNetwork]) -> Result<Backend, NetError> {
        // The tool for IPv4 decides. If it has nothing to write it is asked.
        let writes = addresses.iter().any(IpNetwork::is_ipv4) && Tool::find(Family::V4).is_ok();
        let failure = if writes {
            match self.add_to(Backend::Iptables, addresses, Probe::Within) {
                Ok(()) => return Ok(Backend::Iptables),
                Err(error) => Some(error),
            }
        } else {
            None
        };
        match (Backend::of_node(), failure) {
            (Backend::Iptables, Some(failure)) => Err(failure),
            (backend, _) => self.add_to(backend, addresses, Probe::No).map(|()| backend),
        }
    }
}

/// Removes the rules of all attachments to a network that are not to be kept, in both packet
/// filters. What cannot be removed does not keep the rest from going.
pub fn gc(network: &str, keep: &Attachments) -> Result<(), NetError> {
    let results = [nftables::gc(network, keep), iptables::gc(network, keep)];
    Ok(Error::join(results.map(|result| Ok(result?)))?)
}

/// STATUS: fails if no rules could be written now, by the given back end or that of the node.
pub fn status(backend: Option<Backend>) -> Result<(), Error> {
    ensure_usable("masquerading", backend.unwrap_or_else(Backend::of_node))
}

/// Destinations that are never masqueraded.
fn multicast(family: Family) -> IpNetwork {
    let (address, prefix) = match family {
        Family::V4 => ([224, 0, 0, 0].into(), 4),
        Family::V6 => ([0xff00, 0, 0, 0, 0, 0, 0, 0].into(), 8),
    };
    // Both prefixes fit their addresses.
    IpNetwork::new(address, prefix).unwrap_or(IpNetwork::from(address))
}
