//! The strategies: how candidates that may be tried are put in order.

use std::cmp::Ordering;

use domain::{Money, Strategy};

use crate::condition::Condition;
use crate::plan::{Asked, Planned, Rank, Reason, Rejected, Rejection};
use crate::route::Candidate;

/// A candidate that may serve the request, if its account takes it.
pub(crate) struct Open<'a> {
    /// In the route, from 0.
    pub(crate) place: usize,
    pub(crate) candidate: &'a Candidate,
    pub(crate) price: Option<Money>,
    pub(crate) condition: Condition,
}

/// Those of `open` that are to be tried, in order; the others go to `rejected`.
pub(crate) fn order(
    asked: &Asked<'_>,
    strategy: Strategy,
    open: Vec<Open<'_>>,
    ejected_max: usize,
    rejected: &mut Vec<Rejected>,
) -> Vec<Planned> {
    let spared = spared(&open, ejected_max);
    let mut planned: Vec<(Open<'_>, Reason)> = Vec::with_capacity(open.len());
    for one in open {
        let last_resort = spared.contains(&one.place);
        match Rejection::of(&one.condition)
            .filter(|why| !(last_resort && matches!(why, Rejection::Ejected { .. })))
        {
            Some(why) => rejected.push(Rejected { candidate: one.candidate.clone(), why }),
            None => {
                let reason = reason(asked, strategy, &one, last_resort);
                planned.push((one, reason));
            }
        }
    }
    if strategy == Strategy::RoundRobin {
        take_turns(asked.turn, &mut planned);
    }
    planned
        .sort_by(|(one, reason), (other, others)| compare(reason, others).then(one.place.cmp(&other.place)));
    planned.into_iter().map(|(one, reason)| Planned { candidate: one.candidate.clone(), reason }).collect()
}

/// The places of those that are ejected and tried all the same, because too many are: the ones that come back soonest.
fn spared(open: &[Open<'_>], ejected_max: usize) -> Vec<usize> {
    let until = |one: &Open<'_>| match Rejection::of(&one.condition) {
        Some(Rejection::Ejected { until }) => Some((until, one.place)),
        _ => None,
    };
    let mut ejected: Vec<_> = open.iter().filter_map(until).collect();
    let spared = ejected.len().saturating_sub(ejected_max);
    ejected.sort_unstable();
    ejected.into_iter().take(spared).map(|(_, place)| place).collect()
}

fn reason(asked: &Asked<'_>, strategy: Strategy, one: &Open<'_>, last_resort: bool) -> Reason {
    let candidate = one.candidate;
    let tries = asked.attempts.iter().filter(|attempt| attempt.plan.account == candidate.account).count();
    let share = one.condition.share.clamp(0.0, 1.0);
    let drawn = chance(asked.seed, one.place);
    let rank = match strategy {
        Strategy::Priority => Rank::Place(one.place),
        // The exponential race: who has twice the weight comes first twice as often.
        Strategy::Weighted => {
            let weight = f64::from(candidate.weight.max(1)) * share.max(f64::MIN_POSITIVE);
            Rank::Chance { weight: candidate.weight, drawn: -drawn.ln() / weight }
        }
        Strategy::Cheapest => Rank::Price(one.price),
        Strategy::Fastest => Rank::Time(one.condition.time_to_result),
        Strategy::RoundRobin => Rank::Turn(one.place),
    };
    let is_slowed = strategy != Strategy::Weighted && chance(!asked.seed, one.place) > share;
    let tries = u32::try_from(tries).unwrap_or(u32::MAX);
    Reason { tries, last_resort, tier: candidate.tier, is_slowed, rank }
}

/// Within each tier the candidate whose turn it is goes first, the one after it second.
fn take_turns(turn: u64, planned: &mut [(Open<'_>, Reason)]) {
    let tiers: Vec<u32> = planned.iter().map(|(_, reason)| reason.tier).collect();
    let count = |tiers: &[u32], tier: u32| tiers.iter().filter(|other| **other == tier).count() as u64;
    for (index, (_, reason)) in planned.iter_mut().enumerate() {
        let (before, size) = (count(&tiers[..index], reason.tier), count(&tiers, reason.tier));
        let away = (before + size - turn % size) % size;
        reason.rank = Rank::Turn(usize::try_from(away).unwrap_or(usize::MAX));
    }
}

fn compare(one: &Reason, other: &Reason) -> Ordering {
    let key = |reason: &Reason| (reason.tries, reason.last_resort, reason.tier, reason.is_slowed);
    key(one).cmp(&key(other)).then_with(|| match (one.rank, other.rank) {
        (Rank::Chance { drawn: one, .. }, Rank::Chance { drawn: other, .. }) => one.total_cmp(&other),
        (Rank::Price(one), Rank::Price(other)) => (one.is_none(), one).cmp(&(other.is_none(), other)),
        (Rank::Time(one), Rank::Time(other)) => one.cmp(&other),
        (Rank::Place(one), Rank::Place(other)) | (Rank::Turn(one), Rank::Turn(other)) => one.cmp(&other),
        _ => Ordering::Equal,
    })
}

/// A number above 0 and at most 1 that only these two decide.
fn chance(seed: u64, place: usize) -> f64 {
    let mixed = mix(seed ^ mix(place as u64 + 1));
    // 53 bits are what an f64 can tell apart.
    ((mixed >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// The seed that a text stands for.
pub(crate) fn seed(text: &str) -> u64 {
    text.bytes().fold(0, |seed, byte| mix(seed ^ u64::from(byte)))
}

/// Spreads what differs in a few bits over all of them (the finalizer of SplitMix64, by Steele, Lea and Flood).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
