//! Requests a minute of one key in one process.

use std::time::Duration;

use domain::LimitStatus;

use crate::{Clock, LimitKey, LocalLimiter, Rate, RateVerdict};

/// One bucket per key, with a burst of the whole limit.
pub struct RateLimits {
    local: LocalLimiter,
}

/// Whether a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateDecision {
    /// It may, and was counted.
    Allowed(LimitStatus),
    /// It may not, and was not counted.
    Denied {
        /// Where the key stands.
        status: LimitStatus,
        /// When one more request would pass.
        retry_after: Duration,
    },
}

impl RateLimits {
    /// Limits by the machine's monotonic clock. From `tracked_keys_max` keys on, those are forgotten that nobody has used
    /// lately, which changes nothing: their buckets are full again.
    pub fn new(tracked_keys_max: usize) -> Self {
        Self::with_clock(tracked_keys_max, Clock::default())
    }

    /// The same with another clock.
    pub fn with_clock(tracked_keys_max: usize, clock: Clock) -> Self {
        Self { local: LocalLimiter::with_clock(tracked_keys_max, clock) }
    }

    /// Counts one request of `key` against `per_minute` (at least 1), if it may pass.
    pub fn check(&self, key: &LimitKey, per_minute: u32) -> RateDecision {
        match self.local.check_now(&[(key.clone(), Rate::with_burst(per_minute, per_minute))]) {
            RateVerdict::Allowed(standing) => {
                RateDecision::Allowed(standing.expect("a decision on one limit tells of it").status)
            }
            RateVerdict::Refused { by, retry_after } => {
                RateDecision::Denied { status: by.status, retry_after }
            }
            RateVerdict::Unavailable { .. } => unreachable!("memory is never away"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use domain::OwnerId;

    use super::*;

    fn key(name: &str) -> LimitKey {
        LimitKey::Client(OwnerId::new(name))
    }

    fn stopped() -> (RateLimits, Arc<AtomicU64>) {
        let millis = Arc::new(AtomicU64::new(0));
        let now = Arc::clone(&millis);
        let clock = Clock::new(move || Duration::from_millis(now.load(Ordering::SeqCst)));
        (RateLimits::with_clock(10, clock), millis)
    }

    fn allowed(limits: &RateLimits, name: &str, per_minute: u32, tries: u32) -> usize {
        (0..tries)
            .filter(|_| matches!(limits.check(&key(name), per_minute), RateDecision::Allowed(_)))
            .count()
    }

    #[test]
    fn the_whole_limit_passes_at_once_and_then_one_more_per_share_of_the_minute() {
        let (limits, millis) = stopped();
        assert_eq!(allowed(&limits, "a", 10_000, 10_001), 10_000);
        let RateDecision::Denied { status, retry_after } = limits.check(&key("a"), 10_000) else {
            panic!("the limit is used up")
        };
        assert_eq!((status.limit, status.remaining), (10_000, 0));
        assert_eq!(retry_after, Duration::from_millis(6));
        millis.fetch_add(30_000, Ordering::SeqCst);
        assert_eq!(allowed(&limits, "a", 10_000, 10_000), 5_000);
    }

    #[test]
    fn keys_do_not_share_a_bucket() {
        let (limits, _) = stopped();
        assert_eq!(allowed(&limits, "a", 3, 5), 3);
        assert_eq!(allowed(&limits, "b", 3, 5), 3);
    }

    #[test]
    fn the_status_counts_down() {
        let (limits, _) = stopped();
        let RateDecision::Allowed(status) = limits.check(&key("a"), 4) else { panic!("a full bucket") };
        assert_eq!((status.limit, status.remaining), (4, 3));
        assert_eq!(status.reset_after, Duration::from_secs(15));
    }
}
