//! What is used of each rate in this process.

use std::collections::HashMap;

use crate::contract::{LimitKey, RateVerdict, Standing};
use crate::gcra::{Pace, Rate};

/// One moment per key that is in use: when it will be unused again. A key whose moment has passed can be forgotten, and
/// nothing changes.
pub(crate) struct Buckets {
    unused_at: HashMap<LimitKey, u64>,
    tracked_keys_max: usize,
    /// At how many keys to look for some to forget; doubled while all are in use, so that looking stays cheap.
    sweep_at: usize,
}

impl Buckets {
    pub(crate) fn new(tracked_keys_max: usize) -> Self {
        Self { unused_at: HashMap::new(), tracked_keys_max, sweep_at: tracked_keys_max }
    }

    /// Counts a request against the share of one of `replicas` in each of `rates`, or against none.
    pub(crate) fn check(&mut self, rates: &[(LimitKey, Rate)], replicas: u32, now: u64) -> RateVerdict {
        let mut tightest: Option<Standing> = None;
        let mut refusal = None;
        for (index, (key, rate)) in rates.iter().enumerate() {
            let pace = Pace::of(*rate, replicas);
            let backlog = self.backlog(key, &pace, now);
            match pace.take(backlog) {
                Ok(after) => {
                    let standing = Standing { index, status: pace.status(after) };
                    if tightest.is_none_or(|other| standing.status.remaining < other.status.remaining) {
                        tightest = Some(standing);
                    }
                }
                Err(wait) if refusal.is_none_or(|(_, longest)| wait > longest) => {
                    refusal = Some((Standing { index, status: pace.status(backlog) }, wait));
                }
                Err(_shorter) => {}
            }
        }
        if let Some((by, retry_after)) = refusal {
            return RateVerdict::Refused { by, retry_after };
        }
        for (key, rate) in rates {
            let interval = Pace::of(*rate, replicas).interval;
            if let Some(unused_at) = self.unused_at.get_mut(key) {
                *unused_at = now.max(*unused_at) + interval;
            } else {
                self.insert(key, now + interval, now);
            }
        }
        RateVerdict::Allowed(tightest)
    }

    /// Learns that `key` is used elsewhere at least so far that it is unused in `backlog`.
    pub(crate) fn learn(&mut self, key: &LimitKey, backlog: u64, now: u64) {
        if let Some(unused_at) = self.unused_at.get_mut(key) {
            *unused_at = (now + backlog).max(*unused_at);
        } else if backlog > 0 {
            self.insert(key, now + backlog, now);
        }
    }

    /// All that is in use, with the time until it is not.
    pub(crate) fn backlogs(&self, now: u64) -> Vec<(LimitKey, u64)> {
        let used = self.unused_at.iter().filter(|(_, unused_at)| **unused_at > now);
        used.map(|(key, unused_at)| (key.clone(), unused_at - now)).collect()
    }

    /// Cut to the tolerance, so that a limit that was raised does not wait for the old one.
    fn backlog(&mut self, key: &LimitKey, pace: &Pace, now: u64) -> u64 {
        let Some(unused_at) = self.unused_at.get_mut(key) else { return 0 };
        *unused_at = (now + pace.tolerance).min(*unused_at);
        unused_at.saturating_sub(now)
    }

    fn insert(&mut self, key: &LimitKey, moment: u64, now: u64) {
        self.make_room(now);
        self.unused_at.insert(key.clone(), moment);
    }

    fn make_room(&mut self, now: u64) {
        if self.unused_at.len() >= self.sweep_at {
            self.unused_at.retain(|_, unused_at| *unused_at > now);
            self.sweep_at = self.tracked_keys_max.max(2 * self.unused_at.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::OwnerId;

    use super::*;

    fn one(name: &str) -> [(LimitKey, Rate); 1] {
        [(LimitKey::Client(OwnerId::new(name)), Rate::with_burst(2, 2))]
    }

    #[test]
    fn only_what_is_unused_is_forgotten() {
        let mut buckets = Buckets::new(2);
        let minute = 60_000_000;
        for (name, now) in [("old", 0), ("young", minute), ("young", minute), ("third", minute)] {
            assert!(matches!(buckets.check(&one(name), 1, now), RateVerdict::Allowed(_)));
        }
        assert_eq!(buckets.unused_at.len(), 2, "the old one made room");
        let verdict = buckets.check(&one("young"), 1, minute);
        assert!(matches!(verdict, RateVerdict::Refused { .. }), "the young one was kept");
    }

    #[test]
    fn looking_for_room_among_busy_keys_is_put_off() {
        let mut buckets = Buckets::new(2);
        for number in 0..5 {
            buckets.learn(&one(&number.to_string())[0].0, 1, 0);
        }
        assert_eq!((buckets.unused_at.len(), buckets.sweep_at), (5, 8), "looked at 2 and at 4 keys");
    }

    #[test]
    fn what_is_used_elsewhere_counts_as_far_as_it_is_more() {
        let (mut buckets, limit) = (Buckets::new(2), one("a"));
        buckets.learn(&limit[0].0, 40_000_000, 0);
        buckets.learn(&limit[0].0, 30_000_000, 0);
        assert_eq!(buckets.backlogs(0), [(limit[0].0.clone(), 40_000_000)]);
        assert!(matches!(buckets.check(&limit, 1, 0), RateVerdict::Refused { .. }));
        assert!(matches!(buckets.check(&limit, 1, 10_000_000), RateVerdict::Allowed(_)));
        assert_eq!(buckets.backlogs(70_000_000), []);
    }
}
