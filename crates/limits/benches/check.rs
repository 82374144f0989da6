//! What a decision of a local limiter costs, beside a look into a bare map with the same keys, in turns in one run.
//!
//! `cargo bench -p limits`. Machines are shared and noisy: the ratios are what counts, and nothing is asserted.
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use domain::{AccountName, OwnerId};
use limits::{Clock, LimitKey, LocalLimiter, Rate};

const KEYS: usize = 1_000;
const CALLS: u32 = 200_000;
const ROUNDS: usize = 15;

/// Something to measure: called with a number, for one of the keys.
struct Subject<'a> {
    name: &'a str,
    call: Box<dyn Fn(usize) + 'a>,
    rounds: Vec<Duration>,
}

impl<'a> Subject<'a> {
    fn new(name: &'a str, call: impl Fn(usize) + 'a) -> Self {
        Self { name, call: Box::new(call), rounds: Vec::new() }
    }

    fn round(&mut self) {
        let start = Instant::now();
        for number in 0..CALLS as usize {
            (self.call)(number % KEYS);
        }
        self.rounds.push(start.elapsed());
    }

    fn nanoseconds(&mut self) -> f64 {
        self.rounds.sort_unstable();
        self.rounds[ROUNDS / 2].as_secs_f64() * 1e9 / f64::from(CALLS)
    }
}

fn main() {
    // So fast that it is never used up, and so slow that it always is.
    let (wide, narrow) = (Rate::with_burst(u32::MAX, u32::MAX), Rate::with_burst(1, 1));
    let client = |number: usize| LimitKey::Client(OwnerId::new(format!("client-{number:08}")));
    let one: Vec<_> = (0..KEYS).map(|number| [(client(number), wide)]).collect();
    let four: Vec<_> = (0..KEYS)
        .map(|number| {
            [
                (client(number), wide),
                (LimitKey::ClientModel(OwnerId::new(format!("client-{number:08}")), "veo".to_owned()), wide),
                (LimitKey::Account(AccountName::new(format!("account-{}", number % 20))), wide),
                (LimitKey::Provider("provider".to_owned()), wide),
            ]
        })
        .collect();
    let spent: Vec<_> = (0..KEYS).map(|number| [(client(number), narrow)]).collect();
    let map: HashMap<LimitKey, u64> = (0..KEYS).map(|number| (client(number), 0)).collect();

    let limiter = || LocalLimiter::new(10 * KEYS);
    let (first, second, third) = (limiter(), limiter(), limiter());
    let stopped = LocalLimiter::with_clock(10 * KEYS, Clock::new(|| Duration::ZERO));
    let mut subjects = [
        Subject::new("a look into a HashMap", |number| {
            black_box(map.get(&one[number][0].0));
        }),
        Subject::new("the clock alone", |_| {
            black_box(Instant::now());
        }),
        Subject::new("a check of one limit", |number| {
            black_box(first.check_now(&one[number]));
        }),
        Subject::new("the same with a clock that stands still", |number| {
            black_box(stopped.check_now(&one[number]));
        }),
        Subject::new("a refusal by one limit", |number| {
            black_box(second.check_now(&spent[number]));
        }),
        Subject::new("a check of four limits", |number| {
            black_box(third.check_now(&four[number]));
        }),
    ];
    for _round in 0..ROUNDS {
        subjects.iter_mut().for_each(Subject::round);
    }
    let lookup = subjects[0].nanoseconds();
    println!("{KEYS} keys, {ROUNDS} rounds of {CALLS} calls in turns; medians\n");
    for subject in &mut subjects {
        let nanoseconds = subject.nanoseconds();
        println!("{:40} {nanoseconds:7.1} ns  {:5.1} x", subject.name, nanoseconds / lookup);
    }
}
