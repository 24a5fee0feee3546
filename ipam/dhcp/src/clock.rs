//! The clock that leases are kept by, and random numbers.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The time since the start of the node, sleep included (`CLOCK_BOOTTIME`): the same for every process,
/// and nobody sets it.
pub(crate) fn now() -> Duration {
    // Every kernel in use has this clock.
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map(Duration::from)
        .unwrap_or_default()
}

/// A random number, for transaction ids and pauses.
pub(crate) fn random() -> u32 {
    // Without the system's source a number that at least differs from one moment to the next.
    getrandom::u32().unwrap_or_else(|_| now().subsec_nanos())
}
