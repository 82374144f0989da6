//! Requests a minute.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use domain::LimitStatus;
use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::LimitKey;

/// The period of all limits here; also the time after which an unused bucket is full again.
const PERIOD: Duration = Duration::from_secs(60);

type Limiter<C> = RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>;

/// One bucket per key. The clock is a parameter so that tests need not wait.
pub struct RateLimits<C: Clock = DefaultClock> {
    buckets: DashMap<LimitKey, Bucket<C>>,
    tracked_keys_max: usize,
    clock: C,
}

struct Bucket<C: Clock> {
    per_minute: NonZeroU32,
    used_at: C::Instant,
    limiter: Arc<Limiter<C>>,
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
    /// Limits by the machine's monotonic clock. Above `tracked_keys_max` keys, those are forgotten that have not been
    /// used for a minute, which changes nothing: their buckets are full again.
    pub fn new(tracked_keys_max: usize) -> Self {
        Self::with_clock(tracked_keys_max, DefaultClock::default())
    }
}

impl<C: Clock + Clone> RateLimits<C> {
    /// The same with another clock.
    pub fn with_clock(tracked_keys_max: usize, clock: C) -> Self {
        Self { buckets: DashMap::new(), tracked_keys_max, clock }
    }

    /// Counts one request of `key` against `per_minute` (at least 1), if it may pass.
    /// A key whose limit has changed starts with a full bucket.
    pub fn check(&self, key: &LimitKey, per_minute: u32) -> RateDecision {
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let now = self.clock.now();
        match self.limiter(key, per_minute, now).check() {
            Ok(snapshot) => RateDecision::Allowed(status(per_minute, snapshot.remaining_burst_capacity())),
            Err(not_until) => RateDecision::Denied {
                status: status(per_minute, 0),
                retry_after: not_until.wait_time_from(self.clock.now()),
            },
        }
    }

    fn limiter(&self, key: &LimitKey, per_minute: NonZeroU32, now: C::Instant) -> Arc<Limiter<C>> {
        if let Some(mut bucket) = self.buckets.get_mut(key)
            && bucket.per_minute == per_minute
        {
            bucket.used_at = now;
            return Arc::clone(&bucket.limiter);
        }
        self.make_room(now);
        let fresh = || Bucket {
            per_minute,
            used_at: now,
            limiter: Arc::new(
                RateLimiter::direct_with_clock(Quota::per_minute(per_minute), self.clock.clone())
                    .with_middleware::<StateInformationMiddleware>(),
            ),
        };
        let mut bucket = self.buckets.entry(key.clone()).or_insert_with(fresh);
        if bucket.per_minute != per_minute {
            *bucket = fresh();
        }
        Arc::clone(&bucket.limiter)
    }

    fn make_room(&self, now: C::Instant) {
        if self.buckets.len() >= self.tracked_keys_max {
            self.buckets.retain(|_, bucket| Duration::from(now.duration_since(bucket.used_at)) < PERIOD);
        }
    }
}

fn status(per_minute: NonZeroU32, remaining: u32) -> LimitStatus {
    let used = per_minute.get().saturating_sub(remaining);
    LimitStatus { limit: per_minute.get(), remaining, reset_after: PERIOD * used / per_minute.get() }
}

#[cfg(test)]
mod tests {
    use domain::OwnerId;
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn key(name: &str) -> LimitKey {
        LimitKey::Client(OwnerId::new(name))
    }

    fn allowed(limits: &RateLimits<FakeRelativeClock>, name: &str, per_minute: u32, tries: u32) -> usize {
        (0..tries)
            .filter(|_| matches!(limits.check(&key(name), per_minute), RateDecision::Allowed(_)))
            .count()
    }

    #[test]
    fn the_whole_limit_passes_at_once_and_then_one_more_per_share_of_the_minute() {
        let clock = FakeRelativeClock::default();
        let limits = RateLimits::with_clock(10, clock.clone());
        assert_eq!(allowed(&limits, "a", 10_000, 10_001), 10_000);
        let RateDecision::Denied { status, retry_after } = limits.check(&key("a"), 10_000) else {
            panic!("the limit is used up")
        };
        assert_eq!((status.limit, status.remaining), (10_000, 0));
        assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_millis(6));
        clock.advance(Duration::from_secs(30));
        assert_eq!(allowed(&limits, "a", 10_000, 10_000), 5_000);
    }

    #[test]
    fn keys_do_not_share_a_bucket() {
        let limits = RateLimits::with_clock(10, FakeRelativeClock::default());
        assert_eq!(allowed(&limits, "a", 3, 5), 3);
        assert_eq!(allowed(&limits, "b", 3, 5), 3);
    }

    #[test]
    fn the_status_counts_down() {
        let limits = RateLimits::with_clock(10, FakeRelativeClock::default());
        let RateDecision::Allowed(status) = limits.check(&key("a"), 4) else { panic!("a full bucket") };
        assert_eq!((status.limit, status.remaining), (4, 3));
        assert_eq!(status.reset_after, Duration::from_secs(15));
    }

    #[test]
    fn only_buckets_that_are_full_again_are_forgotten() {
        let clock = FakeRelativeClock::default();
        let limits = RateLimits::with_clock(2, clock.clone());
        assert_eq!(allowed(&limits, "old", 2, 5), 2);
        clock.advance(Duration::from_secs(61));
        assert_eq!(allowed(&limits, "young", 2, 5), 2);
        assert_eq!(allowed(&limits, "third", 2, 5), 2);
        assert_eq!(limits.buckets.len(), 2, "the old one made room");
        assert_eq!(allowed(&limits, "young", 2, 5), 0, "the young one was kept");
    }
}
