//! The values of a token bucket filter, by the arithmetic of the Go plugin.
//!
//! The Go plugin calculates in 32 bits, which overflow for the bursts of some runtimes, and its CHECK
//! compares the results.

use ferrule_kernel::{Tbf, tc::TICKS_PER_8_MICROSECONDS};

/// The queue holds the burst and what the rate yields in 25 ms, a 40th of a second.
const QUEUES_PER_SECOND: u64 = 40;
const MICROSECONDS: u64 = 1_000_000;
/// Minimum of a default burst in bytes: ten packets.
const LEAST_BURST: u32 = 16 * 1024;
/// Upper bound of a packet in bytes. A bucket or queue that is smaller due to an overflow may let no
/// packet pass.
const MAX_PACKET: u64 = 64 * 1024;

/// The limit of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Rate in bytes per second, not 0.
    rate: u64,
    /// Burst in bytes; a default burst follows from the rate.
    pub(crate) burst: u32,
    /// Burst in bytes as configured, which the Go plugin uses.
    stated: u32,
}

impl Limit {
    /// A limit with a rate in bytes per second and a burst in bytes. If `is_configured` is false, the
    /// burst is replaced by that of the queue.
    pub(crate) const fn new(rate: u64, burst: u32, is_configured: bool) -> Self {
        let (queue, least) = (rate / QUEUES_PER_SECOND, LEAST_BURST as u64);
        let chosen = if queue > least { queue } else { least };
        Self {
            rate,
            burst: if is_configured || chosen > burst as u64 {
                burst
            } else {
                low_bits(chosen)
            },
            stated: burst,
        }
    }

    /// The token bucket filter of the limit: that of the Go plugin, except where an overflow would stop
    /// all packets.
    pub(crate) fn tbf(self) -> Tbf {
        let mut tbf = self.go_tbf_of(self.burst);
        let queue = self.rate / QUEUES_PER_SECOND + u64::from(self.burst);
        if u64::from(tbf.limit) < queue.min(MAX_PACKET) {
            tbf.limit = low_bits(MAX_PACKET);
        }
        let ticks = self.microseconds(self.burst) * TICKS_PER_8_MICROSECONDS / 8;
        let bucket = u128::from(tbf.buffer) * 64 * u128::from(self.rate) / 1_000_000_000;
        if ticks > u64::from(u32::MAX) && bucket < u128::from(MAX_PACKET) {
            tbf.buffer = u32::MAX;
        } else if tbf.buffer == 0 {
            // The burst takes less than a microsecond.
            let ticks = u64::from(self.burst) * MICROSECONDS * TICKS_PER_8_MICROSECONDS;
            tbf.buffer = low_bits(ticks.div_ceil(8 * self.rate));
        }
        tbf
    }

    /// The Go plugin's token bucket filter.
    pub(crate) fn go_tbf(self) -> Tbf {
        self.go_tbf_of(self.stated)
    }

    fn go_tbf_of(self, burst: u32) -> Tbf {
        let time = u64::from(low_bits(self.microseconds(burst)));
        Tbf {
            rate: self.rate,
            limit: low_bits(self.rate / QUEUES_PER_SECOND).wrapping_add(burst),
            buffer: low_bits(time * TICKS_PER_8_MICROSECONDS / 8),
        }
    }

    /// The time that a burst takes at the rate.
    fn microseconds(self, burst: u32) -> u64 {
        u64::from(burst) * MICROSECONDS / self.rate
    }
}

/// The lower 32 bits, as in Go's conversion on amd64.
#[expect(clippy::cast_possible_truncation, reason = "what it is for")]
const fn low_bits(number: u64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn figures(tbf: Tbf) -> (u32, u32) {
        (tbf.limit, tbf.buffer)
    }

    /// Bits, as configured, and what a Go plugin of version 1.9 made of them.
    const OF_GO: [(u64, u64, (u32, u32)); 5] = [
        (8000, 80, (35, 156_250)),
        (100_000_000, 10_000_000, (1_562_500, 1_562_500)),
        (10_000_000, 0xffff_ffff, (536_902_161, 2_415_919_079)),
        (100_000_000, 8 * 0xffff_ffff - 1, (312_498, 1_073_741_813)),
        (15_624_992, 0xffff_ffff, (536_919_739, 2_188)),
    ];

    fn limit(rate: u64, burst: u64, is_asked_for: bool) -> Limit {
        Limit::new(rate / 8, u32::try_from(burst / 8).unwrap(), is_asked_for)
    }

    #[test]
    fn figures_are_those_of_the_go_plugin() {
        for (rate, burst, expected) in OF_GO {
            assert_eq!(figures(limit(rate, burst, true).go_tbf()), expected);
            assert_eq!(figures(limit(rate, burst, false).go_tbf()), expected);
        }
        for (rate, burst, expected) in &OF_GO[..4] {
            assert_eq!(figures(limit(*rate, *burst, true).tbf()), *expected);
        }
    }

    #[test]
    fn overflow_does_not_keep_packets_from_passing() {
        let unlucky = limit(15_624_992, 0xffff_ffff, true).tbf();
        assert_eq!(figures(unlucky), (536_919_739, u32::MAX));
        // 25 ms of the rate and the burst are 2^32 bytes and 4 more.
        let queue = Limit::new(40 * 8, u32::MAX - 3, true).tbf();
        assert_eq!(queue.limit, 65536);
        // Less than a microsecond of 100 Gbit/s.
        assert_eq!(Limit::new(12_500_000_000, 10_000, true).tbf().buffer, 13);
    }

    #[test]
    fn a_burst_nobody_asked_for_is_short() {
        let of = |rate| Limit::new(rate, u32::MAX / 8, false).burst;
        assert_eq!(of(2_500_000), 62_500);
        assert_eq!(of(1000), 16 * 1024);
        assert_eq!(of(u64::MAX), u32::MAX / 8);
    }

    proptest! {
        #[test]
        fn every_limit_lets_packets_pass(rate in 1_u64..1 << 61, burst in 1500_u32..) {
            let tbf = Limit::new(rate, burst, true).tbf();
            let bucket = u128::from(tbf.buffer) * 64 * u128::from(rate) / 1_000_000_000;
            prop_assert!(tbf.buffer > 0 && tbf.limit >= 1500, "{tbf:?}");
            // The time is cut to microseconds, and to 275 s at most.
            prop_assert!(bucket >= 700 || rate < 700, "{tbf:?} {bucket}");
        }
    }
}
