//! Limits that one process keeps in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::TaskId;

use crate::buckets::Buckets;
use crate::clock::{Clock, micros};
use crate::contract::{Holding, LimitKey, Limiter, RateVerdict, SlotVerdict};
use crate::gcra::Rate;
use crate::leases::{Lease, Leases};

/// The back end for a single process.
pub struct LocalLimiter {
    clock: Clock,
    buckets: Mutex<Buckets>,
    leases: Mutex<Leases>,
}

impl LocalLimiter {
    /// By the machine's monotonic clock. From `tracked_keys_max` keys on, those are forgotten whose rate nobody has used
    /// lately, which changes nothing.
    pub fn new(tracked_keys_max: usize) -> Self {
        Self::with_clock(tracked_keys_max, Clock::default())
    }

    /// The same with another clock.
    pub fn with_clock(tracked_keys_max: usize, clock: Clock) -> Self {
        Self { clock, buckets: Mutex::new(Buckets::new(tracked_keys_max)), leases: Mutex::default() }
    }

    /// [`Limiter::check`] for callers that cannot wait; it never does.
    pub fn check_now(&self, rates: &[(LimitKey, Rate)]) -> RateVerdict {
        self.check_share(rates, 1)
    }

    /// Counts a request against what one of `replicas` may use of each rate.
    pub(crate) fn check_share(&self, rates: &[(LimitKey, Rate)], replicas: u32) -> RateVerdict {
        let (mut buckets, now) = self.buckets();
        buckets.check(rates, replicas, now)
    }

    /// Learns how far rates are used elsewhere: of each, the time in microseconds until it is unused.
    pub(crate) fn learn<'a>(&self, backlogs: impl Iterator<Item = (&'a LimitKey, u64)>) {
        let (mut buckets, now) = self.buckets();
        backlogs.for_each(|(key, backlog)| buckets.learn(key, backlog, now));
    }

    /// What is used of each rate, as the time in microseconds until it is unused again.
    pub(crate) fn backlogs(&self) -> Vec<(LimitKey, u64)> {
        let (buckets, now) = self.buckets();
        buckets.backlogs(now)
    }

    /// [`Limiter::acquire`] for callers that cannot wait.
    pub fn acquire_now(&self, task: &TaskId, slots: &[(LimitKey, u32)], lease: Duration) -> SlotVerdict {
        let (mut leases, now) = self.leases_by_now();
        leases.acquire(task, slots, (now, now.saturating_add(micros(lease))))
    }

    pub(crate) fn hold_now(&self, holdings: &[Holding], lease: Duration) {
        let (mut leases, now) = self.leases_by_now();
        leases.forget_ended(now);
        for holding in holdings {
            leases.hold(holding, now.saturating_add(micros(lease)));
        }
    }

    /// [`Limiter::release`] for callers that cannot wait.
    pub fn release_now(&self, holding: &Holding) {
        lock(&self.leases).release(holding);
    }

    pub(crate) fn in_use_now(&self, key: &LimitKey) -> u32 {
        let (mut leases, now) = self.leases_by_now();
        leases.in_use(key, now)
    }

    /// All slots that are held.
    pub(crate) fn leases(&self) -> Vec<Lease> {
        let (mut leases, now) = self.leases_by_now();
        leases.all(now)
    }

    /// The clock is read under the lock, so that no decision is made by an earlier time than the one before it.
    fn buckets(&self) -> (MutexGuard<'_, Buckets>, u64) {
        let buckets = lock(&self.buckets);
        let now = self.clock.micros();
        (buckets, now)
    }

    fn leases_by_now(&self) -> (MutexGuard<'_, Leases>, u64) {
        let leases = lock(&self.leases);
        let now = self.clock.micros();
        (leases, now)
    }
}

#[async_trait]
impl Limiter for LocalLimiter {
    async fn check(&self, rates: &[(LimitKey, Rate)]) -> RateVerdict {
        self.check_now(rates)
    }

    async fn acquire(&self, task: &TaskId, slots: &[(LimitKey, u32)], lease: Duration) -> SlotVerdict {
        self.acquire_now(task, slots, lease)
    }

    async fn hold(&self, holdings: &[Holding], lease: Duration) {
        self.hold_now(holdings, lease);
    }

    async fn release(&self, holding: &Holding) {
        self.release_now(holding);
    }

    async fn in_use(&self, key: &LimitKey) -> u32 {
        self.in_use_now(key)
    }
}

/// The maps are whole between any two statements that could panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
