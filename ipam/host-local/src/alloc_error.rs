//! Errors of the allocation.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cni_types::{Code, Error};

use crate::range_set::RangeSet;
use crate::store::reservation::container_of;
use crate::store::{Reservation, StoreError};

/// An allocation that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AllocError {
    /// Requested addresses that are in no set.
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
        /// The address that the attachment already holds.
        address: IpAddr,
        /// The container.
        container_id: String,
    },
    /// The requested address is the gateway.
    #[error("failed to allocate for range {set}: requested ip {address} is subnet's gateway")]
    Gateway {
        /// Number of the range set.
        set: usize,
        /// The address.
        address: IpAddr,
    },
    /// The requested address is reserved.
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
    #[error("failed to allocate for range {set}: {cause}")]
    Exhausted {
        /// Number of the range set.
        set: usize,
        /// The exhausted set.
        cause: Exhausted,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A range set without a free address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no IP addresses available in range set: {ranges}")]
pub(crate) struct Exhausted {
    ranges: String,
    addresses: usize,
    containers: usize,
}

impl Exhausted {
    /// Counts the containers that hold the addresses of the set.
    pub(crate) fn new(set: &RangeSet, reservations: &[Reservation]) -> Self {
        let held = reservations.iter().filter(|r| set.contains(r.address));
        let containers: BTreeSet<&str> = held.clone().map(|r| container_of(&r.content)).collect();
        Self {
            ranges: set.to_string(),
            addresses: held.count(),
            containers: containers.len(),
        }
    }

    /// The counts, and the next action.
    pub(crate) fn details(&self) -> String {
        format!(
            "{} addresses of this set are held by {} containers; if some of these are gone, have the \
             runtime collect garbage (GC), otherwise configure a larger range",
            self.addresses, self.containers
        )
    }
}

impl From<AllocError> for Error {
    fn from(error: AllocError) -> Self {
        let text = error.to_string();
        match error {
            AllocError::Store(error) => error.into(),
            AllocError::Leftover(_) => Self::new(Code::InvalidConfig, text)
                .details("each range set gives one address, out of its own ranges"),
            AllocError::Duplicate { .. } => Self::internal(text)
                .details("the first ADD's reservation stays; send DEL before another ADD"),
            AllocError::Gateway { .. } => Self::new(Code::InvalidConfig, text),
            AllocError::Taken { .. } => Self::internal(text),
            AllocError::Exhausted { cause, .. } => {
                Self::new(Code::TryAgain, text).details(cause.details())
            }
        }
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(" ")
}
