//! The arithmetic of rates, without a clock and without state. All times are whole microseconds.

use std::time::Duration;

use domain::LimitStatus;

/// The least burst of a client's limit: below it, those that send a handful of requests at once would be refused.
pub const BURST_MIN: u32 = 10;

/// Which part of a client's limit may come at once: of 10,000 a minute, the 1,000 tasks that it may have at one time.
const BURST_PART: u32 = 10;
const MINUTE: u64 = 60_000_000;
const SECONDS_PER_MINUTE: u32 = 60;

/// Requests a minute, and how many of them may come at once.
///
/// Requests are at least a whole number of microseconds apart on average, rounded up: a limit of 10,000 is kept to the
/// letter, odd ones below 60,000 to a tenth of a percent, and none is above 60,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_minute: u32,
    burst: u32,
}

/// How a bucket drains: a [`Rate`], or the share of one that a replica may use.
///
/// A backlog is the time until the bucket is unused again. A request adds an interval to it, up to the tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    limit: u32,
    pub(crate) interval: u64,
    pub(crate) tolerance: u64,
}

impl Rate {
    /// What a client may send: `limit` requests a minute, at least 1, of which a tenth may come at once, at least
    /// [`BURST_MIN`] and at most `limit`.
    pub fn per_minute(limit: u32) -> Self {
        Self::with_burst(limit, (limit / BURST_PART).max(BURST_MIN))
    }

    /// What we send to an upstream: `limit` requests a minute, at least 1, of which a second's worth may go at once, at
    /// least 1. Waiting costs nothing here, and an upstream may count in another way than we do.
    pub fn smooth(limit: u32) -> Self {
        Self::with_burst(limit, limit / SECONDS_PER_MINUTE)
    }

    /// `limit` requests a minute, at least 1, of which `burst` may come at once: at least 1, at most `limit`.
    pub fn with_burst(limit: u32, burst: u32) -> Self {
        let per_minute = limit.max(1);
        Self { per_minute, burst: burst.clamp(1, per_minute) }
    }

    /// Requests a minute.
    pub fn limit(self) -> u32 {
        self.per_minute
    }

    /// Requests at once.
    pub fn burst(self) -> u32 {
        self.burst
    }
}

impl Pace {
    /// What each of `replicas` may use of `rate`. Together they use no more, but for the burst of a limit that is below
    /// their number: each may send one.
    pub(crate) fn of(rate: Rate, replicas: u32) -> Self {
        let interval = MINUTE.div_ceil(u64::from(rate.per_minute)) * u64::from(replicas);
        let burst = (rate.burst / replicas).max(1);
        Self { limit: (rate.per_minute / replicas).max(1), interval, tolerance: interval * u64::from(burst) }
    }

    /// The backlog after one more request; how long it would have to wait if it may not pass.
    pub(crate) fn take(&self, backlog: u64) -> Result<u64, Duration> {
        let after = backlog + self.interval;
        if after > self.tolerance {
            return Err(Duration::from_micros(after - self.tolerance));
        }
        Ok(after)
    }

    /// What a client hears of a bucket with `backlog`.
    pub(crate) fn status(&self, backlog: u64) -> LimitStatus {
        let remaining = self.tolerance.saturating_sub(backlog) / self.interval;
        LimitStatus {
            limit: self.limit,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            reset_after: Duration::from_micros(backlog),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_begin_with_a_tenth_and_an_upstream_gets_a_seconds_worth() {
        let bursts = [0, 3, 100, 600, 10_000].map(|limit| Rate::per_minute(limit).burst());
        assert_eq!(bursts, [1, 3, 10, 60, 1_000]);
        let bursts = [0, 3, 60, 600, 10_000].map(|limit| Rate::smooth(limit).burst());
        assert_eq!(bursts, [1, 1, 1, 10, 166]);
        assert_eq!(Rate::with_burst(5, 9), Rate { per_minute: 5, burst: 5 });
        assert_eq!(Rate::with_burst(0, 0), Rate { per_minute: 1, burst: 1 });
    }

    #[test]
    fn shares_add_up_to_no_more_than_the_whole() {
        for limit in [1, 2, 7, 600, 10_000, 59_999] {
            let whole = Pace::of(Rate::per_minute(limit), 1);
            let share = Pace::of(Rate::per_minute(limit), 3);
            assert_eq!(share.interval, 3 * whole.interval);
            assert!(share.tolerance <= whole.tolerance.max(share.interval));
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let pace = Pace::of(Rate::with_burst(u32::MAX, u32::MAX), 1);
        assert_eq!(pace.status(0).remaining, u32::MAX);
        let slow = Pace::of(Rate::per_minute(1), u32::MAX);
        assert_eq!(slow.take(0), Ok(slow.interval));
    }
}
