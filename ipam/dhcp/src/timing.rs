//! When to do what about a lease: pure functions of its times and the time now.

use std::time::Duration;

use crate::lease::{Limits, Times};

/// The life of a lease whose server does not tell, as the Go daemon has it.
const DEFAULT_LIFE: u32 = 3600;
/// A life without an end (RFC 2131, section 3.3).
const INFINITE: u32 = u32::MAX;
/// The shortest pause between two attempts.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest of the shortest pauses, for leases of an hour or more (RFC 2131, section 4.4.5).
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// What is to be done about a lease that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing.
    Bound,
    /// Ask its server to prolong it.
    Renewing,
    /// Ask any server to prolong it.
    Rebinding,
    /// The address must not be used any more.
    Expired,
}

/// The times of a lease granted now, by what its server said in seconds.
///
/// T1 and T2 that make no sense are those of RFC 2131: half the life, and seven eighths. A life of 0
/// is no lease: `None`.
pub(crate) fn times(
    granted: Duration,
    life: Option<u32>,
    t1: Option<u32>,
    t2: Option<u32>,
) -> Option<Times> {
    let life = life.unwrap_or(DEFAULT_LIFE);
    let seconds = |number: u32| Duration::from_secs(number.into());
    match life {
        0 => None,
        INFINITE => Some(Times {
            granted,
            limits: None,
        }),
        _ => {
            let whole = seconds(life);
            let t2 = t2.map(seconds).filter(|t2| !t2.is_zero() && *t2 < whole);
            let rebind = t2.unwrap_or(whole * 7 / 8);
            let t1 = t1.map(seconds).filter(|t1| !t1.is_zero() && *t1 < rebind);
            let renew = t1.unwrap_or((whole / 2).min(rebind));
            Some(Times {
                granted,
                limits: Some(Limits {
                    renew: granted + renew,
                    rebind: granted + rebind,
                    expire: granted + whole,
                }),
            })
        }
    }
}

impl Times {
    /// What is to be done at the time `now`.
    pub(crate) fn phase(&self, now: Duration) -> Phase {
        match self.limits {
            Some(limits) if now >= limits.expire => Phase::Expired,
            Some(limits) if now >= limits.rebind => Phase::Rebinding,
            Some(limits) if now >= limits.renew => Phase::Renewing,
            _ => Phase::Bound,
        }
    }

    /// When the phase after that of `now` begins.
    pub(crate) fn next_phase(&self, now: Duration) -> Option<Duration> {
        let limits = self.limits?;
        match self.phase(now) {
            Phase::Bound => Some(limits.renew),
            Phase::Renewing => Some(limits.rebind),
            Phase::Rebinding => Some(limits.expire),
            Phase::Expired => None,
        }
    }

    /// When to try again after an attempt at the time `now` has failed: after half of what is left of
    /// the phase, but not sooner than after a sixtieth of the lease, between a second and a minute.
    pub(crate) fn retry(&self, now: Duration) -> Option<Duration> {
        let limits = self.limits?;
        let end = self.next_phase(now)?;
        let life = limits.expire.saturating_sub(self.granted);
        let least = (life / 60).clamp(SHORTEST_PAUSE, LONG_PAUSE);
        let pause = (end.saturating_sub(now) / 2).max(least);
        Some((now + pause).min(end))
    }
}

/// The waits between the packets of one exchange: doubled each time up to a limit, and varied by a
/// tenth either way, so that many clients do not keep in step.
#[derive(Clone, Debug)]
pub(crate) struct BackOff {
    next: Duration,
    most: Duration,
}

impl BackOff {
    /// Waits of `first`, twice that, and so on, at most `most`.
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { next: first, most }
    }

    /// The next wait; `random` is any number.
    pub(crate) fn next(&mut self, random: u32) -> Duration {
        let wait = self.next.min(self.most);
        self.next = wait.saturating_mul(2);
        // 0.9 to 1.1.
        wait * 9 / 10 + wait / 5 * (random % 1001) / 1000
    }
}

#[cfg(test)]
mod tests;
