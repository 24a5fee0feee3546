//! Allocates one address of each range set.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cni_types::{Cidr, Code, Error, IpConfig};

use crate::candidates::{Candidate, candidates};
use crate::plan::Plan;
use crate::range_set::RangeSet;
use crate::store::reservation::{Owner, container_of};
use crate::store::{Reservation, Store};

/// How many addresses are tried one by one before the folder is read at once.
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

    /// The address in the result.
    pub(crate) fn ip(&self) -> IpConfig {
        let address = self.reservation.address;
        IpConfig {
            interface: None,
            address: Cidr::new(address, self.subnet.prefix()).unwrap_or(Cidr::host(address)),
            gateway: Some(self.gateway),
        }
    }
}

/// Reserves one address of each set, or none: if a step fails, releases exactly what this call has
/// reserved.
pub(crate) fn allocate(store: &mut Store, plan: &Plan, owner: &Owner) -> Result<Vec<Lease>, Error> {
    let requested = requested(plan)?;
    refuse_duplicates(store, plan, owner)?;
    let mut leases = Vec::with_capacity(plan.sets.len());
    for (number, (set, requested)) in plan.sets.iter().zip(requested).enumerate() {
        let mut allocation = Allocation {
            store,
            owner,
            number,
            set,
        };
        match allocation.take(requested, &mut leases) {
            Ok(()) => {}
            Err(error) => return Err(release(store, &leases, error)),
        }
    }
    Ok(leases)
}

/// Releases what an ADD has reserved; adds errors to the details of `cause`.
fn release(store: &mut Store, leases: &[Lease], mut cause: Error) -> Error {
    for lease in leases {
        if let Err(error) = store.release(lease.reservation()) {
            cause.push_details(error);
        }
    }
    cause
}

/// The requested address of each set: the first one in its ranges.
fn requested(plan: &Plan) -> Result<Vec<Option<IpAddr>>, Error> {
    let mut left = plan.requested.clone();
    let mut requested_of = |set: &RangeSet| {
        let position = left.iter().position(|address| set.contains(*address))?;
        Some(left.remove(position))
    };
    let requested = plan.sets.iter().map(&mut requested_of).collect();
    if left.is_empty() {
        Ok(requested)
    } else {
        let left: Vec<String> = left.iter().map(ToString::to_string).collect();
        let msg = format!("failed to allocate all requested IPs: {}", left.join(" "));
        Err(Error::new(Code::InvalidConfig, msg)
            .details("each range set gives one address, out of its own ranges"))
    }
}

/// An attachment that holds an address of one of the sets gets no second one. Addresses in no
/// set do not count: they stem from an earlier configuration.
fn refuse_duplicates(store: &mut Store, plan: &Plan, owner: &Owner) -> Result<(), Error> {
    let held = store.held_by(owner)?;
    for (number, set) in plan.sets.iter().enumerate() {
        let of_set = |address: &IpAddr| set.contains(*address);
        if let Some(address) = held.iter().map(|h| h.reservation.address).find(of_set) {
            let msg = format!(
                "failed to allocate for range {number}: {address} has been allocated to {}, \
                 duplicate allocation is not allowed",
                owner.container_id()
            );
            return Err(Error::internal(msg)
                .details("the first ADD's reservation stays; send DEL before another ADD"));
        }
    }
    Ok(())
}

/// The allocation of one address of one set.
struct Allocation<'a> {
    store: &'a mut Store,
    owner: &'a Owner,
    number: usize,
    set: &'a RangeSet,
}

impl<'a> Allocation<'a> {
    /// Reserves an address, adds the lease to `leases` and stores the address as the last allocated.
    fn take(&mut self, requested: Option<IpAddr>, leases: &mut Vec<Lease>) -> Result<(), Error> {
        let candidate = match requested {
            Some(address) => self.take_requested(address)?,
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

    fn take_requested(&mut self, address: IpAddr) -> Result<Candidate<'a>, Error> {
        let (number, set) = (self.number, self.set);
        let taken = || {
            Error::internal(format_args!(
                "failed to allocate for range {number}: \
                 requested IP address {address} is not available in range set {set}"
            ))
        };
        let (_, range) = set.range_of(address).ok_or_else(taken)?;
        if address == range.gateway {
            let msg = format!(
                "failed to allocate for range {number}: requested ip {address} is subnet's gateway"
            );
            return Err(Error::new(Code::InvalidConfig, msg));
        }
        let reserved = self.store.reserve(address, self.owner)?
            || (self.store.remove_if_empty(address)? && self.store.reserve(address, self.owner)?);
        if reserved {
            Ok(Candidate { address, range })
        } else {
            Err(taken())
        }
    }

    fn take_next(&mut self) -> Result<Candidate<'a>, Error> {
        let last = self.store.last_reserved(self.number);
        for candidate in candidates(self.set, last).take(TRIES) {
            if self.store.reserve(candidate.address, self.owner)? {
                return Ok(candidate);
            }
        }
        // Nearly exhausted: same order, but reserved addresses are skipped in memory.
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

    /// Reclaims files that a killed plugin left empty, which nothing else releases. With the lock
    /// held, no plugin is about to fill one.
    fn take_leaked(&mut self, last: Option<IpAddr>) -> Result<Candidate<'a>, Error> {
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
        Err(self.exhausted(&reservations))
    }

    /// The error of a set without a free address, with the number of containers that hold them.
    fn exhausted(&self, reservations: &[Reservation]) -> Error {
        let Self { number, set, .. } = self;
        let held = reservations.iter().filter(|r| set.contains(r.address));
        let containers: BTreeSet<&str> = held.clone().map(|r| container_of(&r.content)).collect();
        let (addresses, containers) = (held.count(), containers.len());
        let msg = format!(
            "failed to allocate for range {number}: no IP addresses available in range set: {set}"
        );
        Error::new(Code::TryAgain, msg).details(format!(
            "{addresses} addresses of this set are held by {containers} containers; \
             if some of these are gone, have the runtime collect garbage (GC), \
             otherwise configure a larger range"
        ))
    }
}
