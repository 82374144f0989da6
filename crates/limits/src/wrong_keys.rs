//! Holds back addresses that present wrong keys, so that nobody can try many.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// How often to look for what can be forgotten, at most.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How long a good key is remembered that may not be used any more.
const GOOD_FOR: Duration = Duration::from_secs(3600);
/// One customer has at least so many of the first bits of an IPv6 address alone, and all that is behind them.
const IPV6_NETWORK_BITS: u32 = 64;

type Tries<C> = RateLimiter<IpAddr, DashMapStateStore<IpAddr>, C, StateInformationMiddleware>;

/// Counts the wrong keys of each address (of IPv6, of each /64), and only those. From an address with too many of them,
/// none but keys that were good there before are looked at, so a guess that is right is refused as any other, and who shares
/// an address with somebody who guesses goes on working. The clock is a parameter so that tests need not wait.
pub struct WrongKeys<C: Clock = DefaultClock> {
    tries: Tries<C>,
    /// Who has no try left, since when.
    held_back: DashMap<IpAddr, C::Instant>,
    /// Until there is another try.
    wait: Duration,
    /// Digests of an address and a key that was good there. The hasher's secret is this process' own.
    good: DashMap<u64, C::Instant>,
    hasher: RandomState,
    tracked_max: usize,
    swept_at: Mutex<C::Instant>,
    clock: C,
}

impl WrongKeys {
    /// Allows each address `per_minute` wrong keys, at least 1, all of them at once. At most `tracked_max` addresses and as
    /// many good keys are remembered; what is beyond is not held back.
    pub fn new(per_minute: u32, tracked_max: usize) -> Self {
        Self::with_clock(per_minute, tracked_max, DefaultClock::default())
    }
}

impl<C: Clock + Clone> WrongKeys<C> {
    /// The same with another clock.
    pub fn with_clock(per_minute: u32, tracked_max: usize, clock: C) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        Self {
            tries: RateLimiter::dashmap_with_clock(quota, clock.clone()).with_middleware(),
            held_back: DashMap::new(),
            wait: quota.replenish_interval(),
            good: DashMap::new(),
            hasher: RandomState::new(),
            tracked_max,
            swept_at: Mutex::new(clock.now()),
            clock,
        }
    }

    /// Whether `key` may be looked at that came from `address`; else, when to try again.
    pub fn may_try(&self, address: IpAddr, key: &str) -> Result<(), Duration> {
        let network = network(address);
        let Some(since) = self.held_back.get(&network).map(|since| *since) else { return Ok(()) };
        let left = self.wait.saturating_sub(self.clock.now().duration_since(since).into());
        if left.is_zero() || self.good.contains_key(&self.digest(network, key)) { Ok(()) } else { Err(left) }
    }

    /// `key` from `address` was good.
    pub fn was_good(&self, address: IpAddr, key: &str) {
        let digest = self.digest(network(address), key);
        if !self.good.contains_key(&digest) && self.has_room(self.good.len()) {
            self.good.insert(digest, self.clock.now());
        }
    }

    /// A key from `address` was wrong. When to try again, if it should not have been looked at: others came at the same time.
    pub fn was_wrong(&self, address: IpAddr) -> Result<(), Duration> {
        let network = network(address);
        if !self.has_room(self.tries.len()) {
            return Ok(());
        }
        match self.tries.check_key(&network) {
            Ok(left) if left.remaining_burst_capacity() > 0 => Ok(()),
            Ok(_was_the_last) => {
                self.held_back.insert(network, self.clock.now());
                Ok(())
            }
            Err(_none_was_left) => Err(self.wait),
        }
    }

    /// Whether one more can be remembered where `count` are, after what is over was forgotten.
    fn has_room(&self, count: usize) -> bool {
        if count < self.tracked_max {
            return true;
        }
        let now = self.clock.now();
        let is_older = |since: C::Instant, age: Duration| Duration::from(now.duration_since(since)) >= age;
        let mut swept_at = self.swept_at.lock().unwrap_or_else(PoisonError::into_inner);
        // At most now and then, because it takes time for each that is remembered.
        if is_older(*swept_at, SWEEP_EVERY) {
            *swept_at = now;
            self.tries.retain_recent();
            self.held_back.retain(|_, since| !is_older(*since, self.wait));
            self.good.retain(|_, since| !is_older(*since, GOOD_FOR));
        }
        false
    }

    fn digest(&self, network: IpAddr, key: &str) -> u64 {
        self.hasher.hash_one((network, key))
    }
}

/// Who is behind an address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let mask = u128::MAX << (128 - IPV6_NETWORK_BITS);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn guard(per_minute: u32, tracked_max: usize) -> (WrongKeys<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (WrongKeys::with_clock(per_minute, tracked_max, clock.clone()), clock)
    }

    fn from(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    /// How many wrong keys of `tries` were looked at.
    fn wrong(guard: &WrongKeys<FakeRelativeClock>, address: &str, tries: u32) -> u32 {
        let address = from(address);
        let looked_at = (0..tries).filter(|number| {
            let may_try = guard.may_try(address, &number.to_string()).is_ok();
            may_try && guard.was_wrong(address).is_ok()
        });
        u32::try_from(looked_at.count()).unwrap()
    }

    #[test]
    fn an_address_has_so_many_tries_a_minute() {
        let (guard, clock) = guard(60, 10);
        assert_eq!(wrong(&guard, "192.0.2.1", 100), 60);
        assert_eq!(guard.may_try(from("192.0.2.1"), "x"), Err(Duration::from_secs(1)));
        clock.advance(Duration::from_secs(1));
        assert_eq!(wrong(&guard, "192.0.2.1", 100), 1);
        assert_eq!(wrong(&guard, "192.0.2.2", 100), 60, "another address has tries of its own");
        clock.advance(Duration::from_secs(3600));
        assert_eq!(wrong(&guard, "192.0.2.1", 100), 60);
    }

    #[test]
    fn who_had_a_good_key_there_goes_on_and_a_right_guess_does_not() {
        let (guard, _) = guard(5, 10);
        let (here, there) = (from("192.0.2.1"), from("192.0.2.2"));
        for _request in 0..100 {
            assert_eq!(guard.may_try(here, "mine"), Ok(()));
            guard.was_good(here, "mine");
        }
        guard.was_good(there, "theirs");
        assert_eq!(wrong(&guard, "192.0.2.1", 100), 5, "good keys use no tries up");
        assert_eq!(guard.may_try(here, "mine"), Ok(()));
        assert!(guard.may_try(here, "theirs").is_err(), "it is good, but nobody has shown it here");
        assert_eq!(guard.may_try(there, "anything"), Ok(()));
    }

    #[test]
    fn wrong_keys_that_came_at_the_same_time_are_counted_too() {
        let (guard, _) = guard(2, 10);
        let here = from("192.0.2.1");
        let looked_at: Vec<bool> = (0..4).map(|_| guard.was_wrong(here).is_ok()).collect();
        assert_eq!(looked_at, [true, true, false, false]);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_so_are_both_spellings_of_ipv4() {
        let (guard, _) = guard(5, 10);
        assert_eq!(wrong(&guard, "2001:db8:0:1::1", 3) + wrong(&guard, "2001:db8:0:1:ffff::2", 9), 5);
        assert_eq!(wrong(&guard, "2001:db8:0:2::1", 9), 5);
        assert_eq!(wrong(&guard, "192.0.2.1", 3) + wrong(&guard, "::ffff:192.0.2.1", 9), 5);
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let (guard, clock) = guard(60, 3);
        for number in 0..50 {
            let address = from(&format!("192.0.2.{number}"));
            assert_eq!(guard.was_wrong(address), Ok(()));
            guard.was_good(address, "key");
        }
        assert_eq!((guard.tries.len(), guard.good.len()), (3, 3));
        clock.advance(GOOD_FOR);
        assert_eq!(wrong(&guard, "198.51.100.1", 1), 1, "not counted, but it makes room");
        assert_eq!(wrong(&guard, "198.51.100.1", 100), 60);
        assert_eq!((guard.tries.len(), guard.good.len()), (1, 0));
    }
}
