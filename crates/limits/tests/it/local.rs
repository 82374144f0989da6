//! The local back end passes the suite, and is exact under random requests and many threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::{AccountName, OwnerId};
use limits::conformance::Harness;
use limits::{Clock, LimitKey, Limiter, LocalLimiter, Rate, RateVerdict};
use proptest::prelude::*;

const MINUTE_MICROS: u64 = 60_000_000;

struct Local {
    micros: Arc<AtomicU64>,
    limiter: Arc<LocalLimiter>,
}

impl Local {
    fn new() -> Self {
        let micros = Arc::new(AtomicU64::new(0));
        let now = Arc::clone(&micros);
        let clock = Clock::new(move || Duration::from_micros(now.load(Ordering::SeqCst)));
        Self { micros, limiter: Arc::new(LocalLimiter::with_clock(10, clock)) }
    }

    fn advance(&self, micros: u64) -> u64 {
        self.micros.fetch_add(micros, Ordering::SeqCst) + micros
    }
}

#[async_trait]
impl Harness for Local {
    async fn open() -> Self {
        Self::new()
    }

    fn limiter(&self) -> Arc<dyn Limiter> {
        Arc::<LocalLimiter>::clone(&self.limiter)
    }

    async fn pass(&self, time: Duration) {
        self.advance(u64::try_from(time.as_micros()).expect("a short time"));
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::SeqCst))
    }
}

limits::stamp_conformance!(Local);

fn keys() -> [LimitKey; 2] {
    [LimitKey::Client(OwnerId::new("a")), LimitKey::Account(AccountName::new("x"))]
}

fn is_allowed(verdict: &RateVerdict) -> bool {
    matches!(verdict, RateVerdict::Allowed(_))
}

/// Whether one more request at `now` would make some window too full, by the definition of the limit.
fn fits(passed: &[u64], now: u64, rate: Rate) -> bool {
    let interval = MINUTE_MICROS.div_ceil(u64::from(rate.limit()));
    let most = |since: u64| u64::from(rate.burst()) + (now - since) / interval;
    passed.iter().rev().zip(2..).all(|(since, requests)| requests <= most(*since))
}

fn rates() -> impl Strategy<Value = Rate> {
    (1_u32..20_000, 1_u32..50).prop_map(|(limit, burst)| Rate::with_burst(limit, burst))
}

proptest! {
    /// A request passes if and only if no window of any of its limits would have more than its burst and its rate.
    #[test]
    fn a_request_passes_exactly_if_it_fits_into_every_window(
        limits in (rates(), rates()),
        requests in prop::collection::vec((0_u64..3, 0_u64..20_000, 0_usize..3), 1..300),
    ) {
        let local = Local::new();
        let named = [(keys()[0].clone(), limits.0), (keys()[1].clone(), limits.1)];
        let mut passed: [Vec<u64>; 2] = Default::default();
        for (scale, gap, which) in requests {
            let now = local.advance(gap * 30_u64.pow(u32::try_from(scale).unwrap()));
            let places = if which == 2 { 0..2 } else { which..which + 1 };
            let expected = places.clone().all(|place| fits(&passed[place], now, named[place].1));
            prop_assert_eq!(is_allowed(&local.limiter.check_now(&named[places.clone()])), expected);
            if expected {
                places.for_each(|place| passed[place].push(now));
            }
        }
    }
}

#[test]
fn threads_together_pass_no_more_than_a_burst_and_the_rate() {
    let limiter = LocalLimiter::new(10);
    let (wide, narrow) = (Rate::with_burst(60_000, 500), Rate::with_burst(6_000, 100));
    let start = Instant::now();
    let passed: usize = std::thread::scope(|scope| {
        let pass = || {
            let named = [(keys()[0].clone(), wide), (keys()[1].clone(), narrow)];
            (0..20_000).filter(|_| is_allowed(&limiter.check_now(&named))).count()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(pass)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let refilled = usize::try_from(start.elapsed().as_millis() / 10).unwrap();
    assert!((100..=100 + refilled).contains(&passed), "{passed} of 100 and {refilled}");
}
