//! A million requests through each strategy, in hours that pass in a moment: accounts cannot be reached, are busy, refuse
//! us, do not answer, and recover. On the way everything is held that routing promises of money and of accounts that are
//! to be left alone; at the end who got how much of the work.

mod accounts;
mod requests;

use accounts::{ACCOUNTS, Answer, Seen};
use domain::Strategy;
use requests::{Counts, PRICES, Simulation, TIMES, WEIGHTS};

const REQUESTS: u64 = 1_000_000;
/// Requests from which shares can be told to a hundredth of the whole.
const ENOUGH: u64 = 40_000;
const HUNDREDTH: f64 = 0.01;

/// Simulates bad weather, and compares the shares of work with those that `expected` says for the accounts that took work.
fn simulate(strategy: Strategy, expected: impl Fn(&[usize]) -> Vec<f64>) {
    let mut simulation = Simulation::new(strategy, Answer::in_bad_weather);
    simulation.run(REQUESTS);
    check_that_it_was_bad(&simulation);
    let mut compared = 0;
    for (whole, counts) in simulation.first_choices.iter().enumerate() {
        let total: u64 = counts.iter().sum();
        if total < ENOUGH {
            continue;
        }
        let takers: Vec<usize> = (0..ACCOUNTS).filter(|account| whole & 1 << account != 0).collect();
        for (account, expected) in takers.iter().zip(expected(&takers)) {
            let share = counts[*account] as f64 / total as f64;
            assert!(
                (share - expected).abs() <= HUNDREDTH,
                "of {takers:?}, {account} has {share:.4} of {total} requests, expected {expected:.4}"
            );
        }
        compared += 1;
    }
    assert!(compared >= 3, "all together, and without one or another; not {compared}");
}

/// A simulation in which nothing happens proves nothing.
fn check_that_it_was_bad(simulation: &Simulation) {
    let Seen { ejected, out, paused, readmitted, probes, last_resorts } = simulation.accounts.seen;
    let Counts { taken, unknown, abandoned, failed_over } = simulation.counts;
    for (count, what) in [
        (ejected, "ejected"),
        (out, "out"),
        (paused, "paused"),
        (readmitted, "readmitted"),
        (probes, "probed"),
        (last_resorts, "used as a last resort"),
        (unknown, "unknown"),
        (abandoned, "abandoned"),
        (failed_over, "failed over"),
    ] {
        assert!(count > 0, "nobody was {what}");
    }
    assert!(taken > REQUESTS * 9 / 10, "{taken}");
}

/// All for one of them.
fn only(takers: &[usize], chosen: usize) -> Vec<f64> {
    takers.iter().map(|account| f64::from(u8::from(*account == chosen))).collect()
}

#[test]
fn priority_uses_the_first_that_works() {
    simulate(Strategy::Priority, |takers| only(takers, takers[0]));
}

#[test]
fn weighted_shares_of_a_million_are_within_a_hundredth_of_each_weight() {
    let mut simulation = Simulation::new(Strategy::Weighted, |_, _, _| Answer::Taken);
    simulation.run(REQUESTS);
    let total: u32 = WEIGHTS.iter().sum();
    for (weight, count) in WEIGHTS.iter().zip(simulation.first_choices[(1 << ACCOUNTS) - 1]) {
        let expected = REQUESTS as f64 * f64::from(*weight) / f64::from(total);
        assert!((count as f64 / expected - 1.0).abs() <= HUNDREDTH, "{count}, expected {expected}");
    }
}

#[test]
fn weighted_shares_follow_the_weights_of_those_that_work() {
    simulate(Strategy::Weighted, |takers| {
        let total: u32 = takers.iter().map(|account| WEIGHTS[*account]).sum();
        takers.iter().map(|account| f64::from(WEIGHTS[*account]) / f64::from(total)).collect()
    });
}

#[test]
fn cheapest_uses_the_cheapest_that_works() {
    let cheapest = |takers: &[usize]| takers.iter().copied().min_by_key(|account| PRICES[*account]);
    simulate(Strategy::Cheapest, |takers| only(takers, cheapest(takers).expect("somebody works")));
}

#[test]
fn fastest_uses_the_fastest_that_works_and_tries_who_is_not_known() {
    let fastest = |takers: &[usize]| {
        takers
            .iter()
            .copied()
            .filter(|account| TIMES[*account].is_some())
            .min_by_key(|account| TIMES[*account])
    };
    simulate(Strategy::Fastest, |takers| {
        let tried = if takers.iter().any(|account| TIMES[*account].is_none()) { 0.1 } else { 0.0 };
        let fastest = fastest(takers).expect("somebody works");
        let share = |account: &usize| match *account {
            account if account == fastest => 1.0 - tried,
            account if TIMES[account].is_none() => tried,
            _ => 0.0,
        };
        takers.iter().map(share).collect()
    });
}

#[test]
fn round_robin_gives_those_that_work_the_same() {
    simulate(Strategy::RoundRobin, |takers| vec![1.0 / takers.len() as f64; takers.len()]);
}
