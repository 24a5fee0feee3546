//! Taking one address out of each range set.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cni_types::{Cidr, Error, IpConfig};

use crate::plan::Plan;
use crate::pool::{Candidate, candidates};
use crate::refusal::{AllocationError, Full};
use crate::set::RangeSet;
use crate::store::reservation::Owner;
use crate::store::{Reservation, Store};

/// How many addresses are simply tried before the names in the folder are read at once.
const TRIES: usize = 32;

/// An address that was reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    reservation: Reservation,
    subnet: Cidr,
    gateway: IpAddr,
}

impl Lease {
    /// The file behind it.
    pub(crate) fn reservation(&self) -> &Reservation {
        &self.reservation
    }

    /// The address as results have it.
    pub(crate) fn ip(&self) -> IpConfig {
        let address = self.reservation.address;
        IpConfig {
            interface: None,
            address: Cidr::new(address, self.subnet.prefix()).unwrap_or(Cidr::host(address)),
            gateway: Some(self.gateway),
        }
    }
}

/// Reserves one address of each set, or none: what this call reserved, and nothing else, is
/// released when a later step of it fails.
pub(crate) fn allocate(store: &mut Store, plan: &Plan, owner: &Owner) -> Result<Vec<Lease>, Error> {
    let wishes = wishes(plan)?;
    refuse_duplicates(store, plan, owner)?;
    let mut leases = Vec::with_capacity(plan.sets.len());
    for (number, (set, wish)) in plan.sets.iter().zip(wishes).enumerate() {
        let mut allocation = Allocation {
            store,
            owner,
            number,
            set,
        };
        match allocation.take(wish, &mut leases) {
            Ok(()) => {}
            Err(error) => return Err(release(store, &leases, error.into())),
        }
    }
    Ok(leases)
}

/// Takes back what an ADD has reserved; what fails is added to the details of `cause`.
fn release(store: &mut Store, leases: &[Lease], mut cause: Error) -> Error {
    for lease in leases {
        if let Err(error) = store.release(lease.reservation()) {
            cause.push_details(error);
        }
    }
    cause
}

/// For each set the address that is asked for from it: of those in its ranges the first one.
fn wishes(plan: &Plan) -> Result<Vec<Option<IpAddr>>, AllocationError> {
    let mut left = plan.requested.clone();
    let mut wish_of = |set: &RangeSet| {
        let position = left.iter().position(|address| set.contains(*address))?;
        Some(left.remove(position))
    };
    let wishes = plan.sets.iter().map(&mut wish_of).collect();
    if left.is_empty() {
        Ok(wishes)
    } else {
        Err(AllocationError::Leftover(left))
    }
}

/// An attachment that holds an address of one of the sets gets no second one. Addresses in no
/// set do not count: they stem from an earlier configuration.
fn refuse_duplicates(store: &mut Store, plan: &Plan, owner: &Owner) -> Result<(), AllocationError> {
    let held = store.held_by(owner)?;
    for (number, set) in plan.sets.iter().enumerate() {
        let of_set = |address: &IpAddr| set.contains(*address);
        if let Some(address) = held.iter().map(|h| h.reservation.address).find(of_set) {
            return Err(AllocationError::Duplicate {
                set: number,
                address,
                container_id: owner.container_id().to_owned(),
            });
        }
    }
    Ok(())
}

/// Taking one address out of one set.
struct Allocation<'a> {
    store: &'a mut Store,
    owner: &'a Owner,
    number: usize,
    set: &'a RangeSet,
}

impl<'a> Allocation<'a> {
    /// Reserves, adds the lease to `leases` and notes where the next search begins.
    fn take(
        &mut self,
        wish: Option<IpAddr>,
        leases: &mut Vec<Lease>,
    ) -> Result<(), AllocationError> {
        let candidate = match wish {
            Some(address) => self.take_wished(address)?,
            None => self.take_next()?,
        };
        let (address, range) = (candidate.address, candidate.range);
        leases.push(Lease {
            reservation: Reservation::new(address, self.owner),
            subnet: range.subnet,
            gateway: range.gateway,
        });
        Ok(self.store.set_last_reserved(self.number, address)?)
    }

    fn take_wished(&mut self, address: IpAddr) -> Result<Candidate<'a>, AllocationError> {
        let taken = || AllocationError::Taken {
            set: self.number,
            address,
            ranges: self.set.to_string(),
        };
        let (_, range) = self.set.range_of(address).ok_or_else(taken)?;
        if address == range.gateway {
            return Err(AllocationError::Gateway {
                set: self.number,
                address,
            });
        }
        let reserved = self.store.reserve(address, self.owner)?
            || (self.store.remove_if_empty(address)? && self.store.reserve(address, self.owner)?);
        if reserved {
            Ok(Candidate { address, range })
        } else {
            Err(taken())
        }
    }

    fn take_next(&mut self) -> Result<Candidate<'a>, AllocationError> {
        let last = self.store.last_reserved(self.number);
        for candidate in candidates(self.set, last).take(TRIES) {
            if self.store.reserve(candidate.address, self.owner)? {
                return Ok(candidate);
            }
        }
        // Nearly full. The order stays the same, but the taken ones are skipped in memory.
        let taken = self.store.taken()?;
        for candidate in candidates(self.set, last).skip(TRIES) {
            if !taken.contains(candidate.address)
                && self.store.reserve(candidate.address, self.owner)?
            {
                return Ok(candidate);
            }
        }
        self.take_leaked(last)
    }

    /// The set is full, but for files that a killed plugin left empty: nobody else would ever
    /// release them. With the lock held, no plugin is about to fill one.
    fn take_leaked(&mut self, last: Option<IpAddr>) -> Result<Candidate<'a>, AllocationError> {
        let reservations = self.store.inventory()?.reservations;
        let leaked: BTreeSet<IpAddr> = reservations
            .iter()
            .filter(|reservation| reservation.is_empty() && reservation.is_canonical())
            .map(|reservation| reservation.address)
            .collect();
        let mut of_set = candidates(self.set, last).take_while(|_| !leaked.is_empty());
        while let Some(candidate) = of_set.find(|c| leaked.contains(&c.address)) {
            if self.store.remove_if_empty(candidate.address)?
                && self.store.reserve(candidate.address, self.owner)?
            {
                return Ok(candidate);
            }
        }
        Err(AllocationError::Exhausted {
            set: self.number,
            full: Full::new(self.set, &reservations),
        })
    }
}
