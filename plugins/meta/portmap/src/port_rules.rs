//! The rules of a container's mappings, in one of three back ends.
//!
//! Every change holds the lock of the host's network namespace: of two calls for the same port one
//! sees the result of the other, and a DEL waits for the tools that a killed ADD left running.

use std::fmt::Display;
use std::net::IpAddr;

use cni_types::{Attachments, Error};
use ferrule_kernel::{Family, FileLock};
use ferrule_net::{NetError, Tags};
use ferrule_netfilter::Backend;
use ferrule_netfilter::nft::Nft;

use crate::config::{Masquerading, Plan};
use crate::conflicts::ClaimedPorts;
use crate::forwarding::Forwarding;
use crate::mapping::Mapping;
use crate::owner::Owner;
use crate::target::Target;
use crate::{iptables, nft_maps, nft_rules};

/// Where mappings are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortBackend {
    /// Rules of iptables.
    Iptables,
    /// Rules of nftables.
    NftRules,
    /// Elements of nftables' maps.
    NftMaps,
}

impl PortBackend {
    pub(crate) fn new(backend: Backend, maps: bool) -> Self {
        match (backend, maps) {
            (Backend::Iptables, _) => Self::Iptables,
            (Backend::Nftables, false) => Self::NftRules,
            (Backend::Nftables, true) => Self::NftMaps,
        }
    }

    /// The back end that has an attachment's mappings; this one if several or none have them.
    pub(crate) fn found(self, owner: &Owner, mappings: &[Mapping]) -> Result<Self, NetError> {
        let others = [Self::Iptables, Self::NftRules, Self::NftMaps];
        for backend in [self].into_iter().chain(others) {
            if backend.is_present(owner, mappings)? {
                return Ok(backend);
            }
        }
        Ok(self)
    }

    fn is_present(self, owner: &Owner, mappings: &[Mapping]) -> Result<bool, NetError> {
        if self == Self::Iptables {
            return iptables::is_present(&owner.id);
        }
        let Some(nft) = Nft::open_if_supported()? else {
            return Ok(false);
        };
        match self {
            Self::NftMaps => nft_maps::is_present(&nft, owner, mappings),
            _ => nft_rules::is_present(&nft, owner),
        }
    }
}

/// The mappings of one container in one back end.
#[derive(Debug)]
pub(crate) struct PortRules<'a> {
    owner: &'a Owner,
    plan: &'a Plan,
    targets: &'a [Target],
    parts: Parts<'a>,
}

/// The rules, one part for each address of the container.
#[derive(Debug)]
enum Parts<'a> {
    Iptables(Vec<iptables::Rules<'a>>),
    NftRules(Vec<nft_rules::Rules>),
    NftMaps(Vec<nft_maps::Elements>),
}

impl<'a> PortRules<'a> {
    /// Plans the rules, without changing anything.
    pub(crate) fn new(
        backend: PortBackend,
        owner: &'a Owner,
        plan: &'a Plan,
        targets: &'a [Target],
    ) -> Result<Self, Error> {
        let each = targets.iter();
        let parts = match backend {
            PortBackend::Iptables => Parts::Iptables(
                each.map(|target| iptables::Rules::new(owner, target, plan))
                    .collect::<Result<_, _>>()?,
            ),
            PortBackend::NftRules => Parts::NftRules(
                each.map(|target| nft_rules::Rules::new(target, plan))
                    .collect::<Result<_, _>>()?,
            ),
            PortBackend::NftMaps => Parts::NftMaps(nft_maps::Elements::of(targets, plan)),
        };
        Ok(Self {
            owner,
            plan,
            targets,
            parts,
        })
    }

    /// Writes the rules, in place of those of the container in this back end. If a running container
    /// has one of the ports it fails and changes nothing. The caller holds the lock.
    pub(crate) fn add(&self, _lock: &FileLock) -> Result<(), NetError> {
        match &self.parts {
            Parts::Iptables(parts) => {
                if let Some(nft) = Nft::open_if_supported()? {
                    nft.update(|changes| {
                        self.claims().try_for_each(|one| {
                            nft_maps::evict(&nft, &one, self.owner, changes)?;
                            nft_rules::evict(&nft, &one, self.owner, changes)
                        })
                    })?;
                }
                parts.iter().try_for_each(iptables::Rules::add)
            }
            Parts::NftRules(parts) => {
                let nft = Nft::open()?;
                nft.update(|changes| {
                    for one in self.claims() {
                        nft_maps::evict(&nft, &one, self.owner, changes)?;
                    }
                    let mut parts = parts.iter();
                    parts.try_for_each(|part| part.add(&nft, self.owner, changes))
                })
            }
            Parts::NftMaps(parts) => {
                let nft = Nft::open()?;
                nft.update(|changes| {
                    for one in self.claims() {
                        nft_rules::evict(&nft, &one, self.owner, changes)?;
                    }
                    let mut parts = parts.iter();
                    parts.try_for_each(|part| part.add(&nft, self.owner, changes))
                })
            }
        }
    }

    /// Compares the rules with those that [`PortRules::add`] writes.
    pub(crate) fn check(&self) -> Result<(), NetError> {
        match &self.parts {
            Parts::Iptables(parts) => parts.iter().try_for_each(iptables::Rules::check),
            Parts::NftRules(parts) => {
                let nft = Nft::open()?;
                let mut parts = parts.iter();
                parts.try_for_each(|part| part.check(&nft, self.owner))
            }
            Parts::NftMaps(parts) => {
                let nft = Nft::open()?;
                let mut parts = parts.iter();
                parts.try_for_each(|part| part.check(&nft, self.owner))
            }
        }
    }

    fn claims(&self) -> impl Iterator<Item = ClaimedPorts> {
        let targets = self.targets.iter();
        targets.map(|target| ClaimedPorts::new(target, self.plan))
    }

    /// The translations of all mappings.
    pub(crate) fn forwardings(&self) -> Vec<Forwarding> {
        forwardings(self.targets, &self.plan.mappings)
    }

    /// The container's address for connections from localhost, if those are mapped.
    pub(crate) fn localhost_leads_to(&self) -> Option<IpAddr> {
        if self.plan.masquerading == Masquerading::Nobody {
            return None;
        }
        let mut targets = self.targets.iter();
        targets
            .find(|target| target.family() == Family::V4)
            .map(|target| target.address.address())
    }
}

/// The translations of mappings to a container's addresses.
pub(crate) fn forwardings(targets: &[Target], mappings: &[Mapping]) -> Vec<Forwarding> {
    let of = |target: &Target| {
        let ours = mappings.iter().filter(|m| m.is_of(target.family()));
        ours.map(|mapping| Forwarding::of(mapping, target))
            .collect::<Vec<_>>()
    };
    targets.iter().flat_map(of).collect()
}

/// Removes an attachment's mappings from every back end, including forms of older releases; returns
/// their translations.
pub(crate) fn remove(owner: &Owner, mappings: &[Mapping]) -> (Vec<Forwarding>, Result<(), Error>) {
    everywhere(
        |nft| {
            nft.update(|changes| {
                let rules = nft_rules::remove(nft, owner, changes)?;
                let elements = nft_maps::remove(nft, owner, mappings, changes)?;
                Ok([rules, elements].concat())
            })
        },
        || iptables::remove(&owner.id),
    )
}

/// Removes the mappings of the network's attachments that are not in `keep`; returns their
/// translations.
pub(crate) fn collect(network: &str, keep: &Attachments) -> (Vec<Forwarding>, Result<(), Error>) {
    let tags = Tags::new(network, keep);
    everywhere(
        |nft| {
            nft.update(|changes| {
                let rules = nft_rules::collect(nft, &tags, changes)?;
                let elements = nft_maps::collect(nft, &tags, changes)?;
                Ok([rules, elements].concat())
            })
        },
        || iptables::collect(network, keep),
    )
}

/// Runs both under the lock, even if one fails.
fn everywhere(
    in_nftables: impl FnOnce(&Nft) -> Result<Vec<Forwarding>, NetError>,
    in_iptables: impl FnOnce() -> (Vec<Forwarding>, Result<(), Error>),
) -> (Vec<Forwarding>, Result<(), Error>) {
    let _lock = match FileLock::of_namespace() {
        Ok(lock) => lock,
        Err(error) => return (Vec::new(), Err(NetError::from(error).into())),
    };
    let first = Nft::open_if_supported()
        .map_err(NetError::from)
        .and_then(|nft| nft.map_or_else(|| Ok(vec![]), |nft| in_nftables(&nft)));
    let (mut gone, second) = in_iptables();
    let first = first.map(|more| gone.extend(more)).map_err(Error::from);
    (gone, Error::join([first, second]))
}

/// What CHECK reports: an object that is missing or was changed, and where it should be.
pub(crate) fn missing(place: &dyn Display, what: impl Display) -> NetError {
    NetError::Mismatch(format!("{place}: {what} is missing or was changed"))
}
