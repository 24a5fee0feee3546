//! Why ADD hands out no address.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cni_types::{Code, Error};

use crate::set::RangeSet;
use crate::store::reservation::container_of;
use crate::store::{Reservation, StoreError};

/// Why an attachment gets no addresses.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AllocationError {
    /// Addresses asked for that no set can give.
    #[error("failed to allocate all requested IPs: {}", listed(.0))]
    Leftover(Vec<IpAddr>),
    /// A second ADD.
    #[error(
        "failed to allocate for range {set}: {address} has been allocated to {container_id}, \
         duplicate allocation is not allowed"
    )]
    Duplicate {
        /// Number of the range set.
        set: usize,
        /// What the attachment has already.
        address: IpAddr,
        /// The container.
        container_id: String,
    },
    /// The gateway's address was asked for.
    #[error("failed to allocate for range {set}: requested ip {address} is subnet's gateway")]
    Gateway {
        /// Number of the range set.
        set: usize,
        /// The address.
        address: IpAddr,
    },
    /// The address asked for is taken.
    #[error(
        "failed to allocate for range {set}: requested IP address {address} is not available in \
         range set {ranges}"
    )]
    Taken {
        /// Number of the range set.
        set: usize,
        /// The address.
        address: IpAddr,
        /// The ranges.
        ranges: String,
    },
    /// No address is free.
    #[error("failed to allocate for range {set}: {full}")]
    Exhausted {
        /// Number of the range set.
        set: usize,
        /// How full it is.
        full: Full,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A range set without a free address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no IP addresses available in range set: {ranges}")]
pub(crate) struct Full {
    ranges: String,
    addresses: usize,
    containers: usize,
}

impl Full {
    /// Counts who holds the addresses of a full set.
    pub(crate) fn new(set: &RangeSet, reservations: &[Reservation]) -> Self {
        let held = reservations.iter().filter(|r| set.contains(r.address));
        let containers: BTreeSet<&str> = held.clone().map(|r| container_of(&r.content)).collect();
        Self {
            ranges: set.to_string(),
            addresses: held.count(),
            containers: containers.len(),
        }
    }

    /// The counts, and the way out.
    pub(crate) fn details(&self) -> String {
        format!(
            "{} addresses of this set are held by {} containers; if some of these are gone, have the \
             runtime collect garbage (GC), otherwise configure a larger range",
            self.addresses, self.containers
        )
    }
}

impl From<AllocationError> for Error {
    fn from(error: AllocationError) -> Self {
        let text = error.to_string();
        match error {
            AllocationError::Store(error) => error.into(),
            AllocationError::Leftover(_) => Self::new(Code::InvalidConfig, text)
                .details("each range set gives one address, out of its own ranges"),
            AllocationError::Duplicate { .. } => Self::internal(text)
                .details("the first ADD's reservation stays; send DEL before another ADD"),
            AllocationError::Gateway { .. } => Self::new(Code::InvalidConfig, text),
            AllocationError::Taken { .. } => Self::internal(text),
            AllocationError::Exhausted { full, .. } => {
                Self::new(Code::TryAgain, text).details(full.details())
            }
        }
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(" ")
}
