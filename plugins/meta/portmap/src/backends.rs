//! The forms in which mappings are kept, and what is done to all of them alike.
//!
//! Whatever changes something holds the lock of the host's network namespace, so that of two
//! calls for the same port one sees what the other did, and a DEL waits for the tools that an
//! ADD, killed meanwhile, has left running.

use std::net::IpAddr;

use cni_types::{Attachments, Error};
use ferrule_kernel::{Family, FileLock};
use ferrule_net::Tags;
use ferrule_net::masquerade::Backend;
use ferrule_netfilter::nft::Nft;

use crate::claims::Claims;
use crate::config::{Masquerading, Settings};
use crate::error::PortmapError;
use crate::forwarding::Forwarding;
use crate::mapping::Mapping;
use crate::owner::Owner;
use crate::plan::Target;
use crate::{iptables, maps, nft};

/// A form in which mappings are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Rules of iptables.
    Iptables,
    /// Rules of nftables.
    Rules,
    /// Elements of nftables' maps.
    Maps,
}

impl Form {
    pub(crate) fn new(backend: Backend, maps: bool) -> Self {
        match (backend, maps) {
            (Backend::Iptables, _) => Self::Iptables,
            (Backend::Nftables, false) => Self::Rules,
            (Backend::Nftables, true) => Self::Maps,
        }
    }

    /// The form an attachment's mappings are in: this one, or another if they are there only.
    pub(crate) fn found(self, owner: &Owner, mappings: &[Mapping]) -> Result<Self, PortmapError> {
        let others = [Self::Iptables, Self::Rules, Self::Maps];
        for form in [self].into_iter().chain(others) {
            if form.is_present(owner, mappings)? {
                return Ok(form);
            }
        }
        Ok(self)
    }

    fn is_present(self, owner: &Owner, mappings: &[Mapping]) -> Result<bool, PortmapError> {
        if self == Self::Iptables {
            return iptables::is_present(&owner.id);
        }
        let Some(nft) = Nft::open_if_supported()? else {
            return Ok(false);
        };
        match self {
            Self::Maps => maps::is_present(&nft, owner, mappings),
            _ => nft::is_present(&nft, owner),
        }
    }
}

/// The mappings of one container in one form.
#[derive(Debug)]
pub(crate) struct Content<'a> {
    owner: &'a Owner,
    settings: &'a Settings,
    targets: &'a [Target],
    parts: Parts<'a>,
}

/// One part for each address of the container.
#[derive(Debug)]
enum Parts<'a> {
    Iptables(Vec<iptables::Rules<'a>>),
    Rules(Vec<nft::Rules>),
    Maps(Vec<maps::Elements>),
}

impl<'a> Content<'a> {
    /// Plans it, without changing anything.
    pub(crate) fn new(
        form: Form,
        owner: &'a Owner,
        settings: &'a Settings,
        targets: &'a [Target],
    ) -> Result<Self, Error> {
        let each = targets.iter();
        let parts = match form {
            Form::Iptables => Parts::Iptables(
                each.map(|target| iptables::Rules::new(owner, target, settings))
                    .collect::<Result<_, _>>()?,
            ),
            Form::Rules => Parts::Rules(
                each.map(|target| nft::Rules::new(target, settings))
                    .collect::<Result<_, _>>()?,
            ),
            Form::Maps => Parts::Maps(maps::Elements::of(targets, settings)),
        };
        Ok(Self {
            owner,
            settings,
            targets,
            parts,
        })
    }

    /// Writes it, in place of what the container has in this form. A port that a living container
    /// has, as far as that can be known, is an error and nothing is changed.
    /// The lock of the namespace is held meanwhile.
    pub(crate) fn add(&self, _lock: &FileLock) -> Result<(), PortmapError> {
        match &self.parts {
            Parts::Iptables(parts) => {
                if let Some(nft) = Nft::open_if_supported()? {
                    nft.update(|changes| {
                        self.claims().try_for_each(|one| {
                            maps::evict(&nft, &one, self.owner, changes)?;
                            nft::evict(&nft, &one, self.owner, changes)
                        })
                    })?;
                }
                parts.iter().try_for_each(iptables::Rules::add)
            }
            Parts::Rules(parts) => {
                let nft = Nft::open()?;
                nft.update(|changes| {
                    for one in self.claims() {
                        maps::evict(&nft, &one, self.owner, changes)?;
                    }
                    let mut parts = parts.iter();
                    parts.try_for_each(|part| part.add(&nft, self.owner, changes))
                })
            }
            Parts::Maps(parts) => {
                let nft = Nft::open()?;
                nft.update(|changes| {
                    for one in self.claims() {
                        nft::evict(&nft, &one, self.owner, changes)?;
                    }
                    let mut parts = parts.iter();
                    parts.try_for_each(|part| part.add(&nft, self.owner, changes))
                })
            }
        }
    }

    /// Compares what is there with what [`Content::add`] writes.
    pub(crate) fn check(&self) -> Result<(), PortmapError> {
        match &self.parts {
            Parts::Iptables(parts) => parts.iter().try_for_each(iptables::Rules::check),
            Parts::Rules(parts) => {
                let nft = Nft::open()?;
                let mut parts = parts.iter();
                parts.try_for_each(|part| part.check(&nft, self.owner))
            }
            Parts::Maps(parts) => {
                let nft = Nft::open()?;
                let mut parts = parts.iter();
                parts.try_for_each(|part| part.check(&nft, self.owner))
            }
        }
    }

    fn claims(&self) -> impl Iterator<Item = Claims> {
        let targets = self.targets.iter();
        targets.map(|target| Claims::new(target, self.settings))
    }

    /// Everything that is forwarded.
    pub(crate) fn forwardings(&self) -> Vec<Forwarding> {
        forwardings(self.targets, &self.settings.mappings)
    }

    /// The address to which connections from localhost lead, if they do.
    pub(crate) fn localhost_leads_to(&self) -> Option<IpAddr> {
        if self.settings.masquerading == Masquerading::Nobody {
            return None;
        }
        let mut targets = self.targets.iter();
        targets
            .find(|target| target.family() == Family::V4)
            .map(|target| target.address.address())
    }
}

/// What mappings forward to a container's addresses.
pub(crate) fn forwardings(targets: &[Target], mappings: &[Mapping]) -> Vec<Forwarding> {
    let of = |target: &Target| {
        let ours = mappings.iter().filter(|m| m.is_of(target.family()));
        ours.map(|mapping| Forwarding::of(mapping, target))
            .collect::<Vec<_>>()
    };
    targets.iter().flat_map(of).collect()
}

/// Removes an attachment's mappings from wherever they are, older forms included; answers what
/// they forwarded.
pub(crate) fn remove(
    owner: &Owner,
    mappings: &[Mapping],
) -> (Vec<Forwarding>, Result<(), PortmapError>) {
    everywhere(
        |nft| {
            nft.update(|changes| {
                let rules = nft::remove(nft, owner, changes)?;
                let elements = maps::remove(nft, owner, mappings, changes)?;
                Ok([rules, elements].concat())
            })
        },
        || iptables::remove(&owner.id),
    )
}

/// Removes the mappings of all attachments to a network that are not to be kept; answers what
/// they forwarded.
pub(crate) fn collect(
    network: &str,
    keep: &Attachments,
) -> (Vec<Forwarding>, Result<(), PortmapError>) {
    let tags = Tags::new(network, keep);
    everywhere(
        |nft| {
            nft.update(|changes| {
                let rules = nft::collect(nft, &tags, changes)?;
                let elements = maps::collect(nft, &tags, changes)?;
                Ok([rules, elements].concat())
            })
        },
        || iptables::collect(network, keep),
    )
}

/// Does something in both packet filters, each whatever becomes of the other.
fn everywhere(
    in_nftables: impl FnOnce(&Nft) -> Result<Vec<Forwarding>, PortmapError>,
    in_iptables: impl FnOnce() -> (Vec<Forwarding>, Result<(), PortmapError>),
) -> (Vec<Forwarding>, Result<(), PortmapError>) {
    let _lock = match FileLock::of_namespace() {
        Ok(lock) => lock,
        Err(error) => return (Vec::new(), Err(error.into())),
    };
    let first = Nft::open_if_supported()
        .map_err(PortmapError::from)
        .and_then(|nft| nft.map_or_else(|| Ok(vec![]), |nft| in_nftables(&nft)));
    let (mut gone, second) = in_iptables();
    let first = first.map(|more| gone.extend(more));
    let outcome = PortmapError::join([first, second]);
    (gone, outcome)
}
