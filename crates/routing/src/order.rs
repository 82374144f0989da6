//! The strategies: how candidates that may be tried are put in order.

use std::cmp::Ordering;
use std::sync::Arc;

use domain::{Money, Strategy, Timestamp};

use crate::asked::Asked;
use crate::condition::{Condition, Standing};
use crate::plan::{Planned, Rank, Reason, Rejected};
use crate::rejection::Rejection;
use crate::route::Candidate;

/// How often a candidate of whose speed nothing is known goes first, for [`Strategy::Fastest`]. Results take minutes: if it
/// always went first, all requests would go to it until the first result is there.
const TRIAL_SHARE: f64 = 0.1;

/// A candidate that may serve the request, if its account takes it.
pub(crate) struct Open<'a> {
    /// In the route, from 0.
    place: usize,
    candidate: &'a Arc<Candidate>,
    price: Option<Money>,
    condition: Condition,
    /// Whether it is tried although it is ejected.
    last_resort: bool,
}

impl<'a> Open<'a> {
    pub(crate) fn new(
        place: usize,
        candidate: &'a Arc<Candidate>,
        price: Option<Money>,
        condition: Condition,
    ) -> Self {
        Self { place, candidate, price, condition, last_resort: false }
    }

    /// When it may be tried, if it is ejected and nothing else is in the way.
    fn ejected_until(&self) -> Option<Timestamp> {
        match self.condition {
            Condition { standing: Standing::Ejected { until }, is_full: false, cannot: None, .. } => {
                Some(until)
            }
            _ => None,
        }
    }
}

/// Marks those that are to be tried although they are ejected, because too many are: the ones that come back soonest.
pub(crate) fn spare(open: &mut [Open<'_>], percent_max: u8) {
    let is_ejected = |one: &&Open<'_>| {
        one.condition.cannot.is_none() && matches!(one.condition.standing, Standing::Ejected { .. })
    };
    let ejected = open.iter().filter(is_ejected).count();
    let capable = open.iter().filter(|one| one.condition.cannot.is_none()).count();
    let spared = ejected.saturating_sub(capable * usize::from(percent_max) / 100);
    if spared == 0 {
        return;
    }
    let mut soonest: Vec<&mut Open<'_>> =
        open.iter_mut().filter(|one| one.ejected_until().is_some()).collect();
    soonest.sort_by_key(|one| one.ejected_until());
    for one in soonest.into_iter().take(spared) {
        one.condition.standing = Standing::Probe;
        one.last_resort = true;
    }
}

/// Those of `open` that are to be tried, in order; the others go to `rejected`.
pub(crate) fn order(
    asked: &Asked<'_>,
    strategy: Strategy,
    open: Vec<Open<'_>>,
    rejected: &mut Vec<Rejected>,
) -> Vec<Planned> {
    let mut planned: Vec<Planned> = Vec::with_capacity(open.len());
    for one in open {
        let candidate = one.candidate.clone();
        match Rejection::of(&one.condition) {
            Some(why) => rejected.push(Rejected { candidate, why }),
            None => planned.push(Planned { candidate, reason: reason(asked, strategy, &one) }),
        }
    }
    if strategy == Strategy::RoundRobin {
        take_turns(asked.turn, &mut planned);
    }
    // Stable: those that nothing tells apart keep the operator's order.
    planned.sort_by(|one, other| compare(&one.reason, &other.reason));
    planned
}

fn reason(asked: &Asked<'_>, strategy: Strategy, one: &Open<'_>) -> Reason {
    let candidate = one.candidate;
    let tries = asked.attempts.iter().filter(|attempt| attempt.plan.account == candidate.account).count();
    let share = one.condition.share.clamp(0.0, 1.0);
    let chance = || chance(asked.seed, one.place);
    let rank = match strategy {
        Strategy::Priority => Rank::Place(one.place),
        // The exponential race: who has twice the weight comes first twice as often.
        Strategy::Weighted => {
            let weight = f64::from(candidate.weight.max(1)) * share.max(f64::MIN_POSITIVE);
            Rank::Chance { weight: candidate.weight, drawn: -chance().ln() / weight }
        }
        Strategy::Cheapest => Rank::Price(one.price),
        Strategy::Fastest => match one.condition.time_to_result {
            None if chance() <= TRIAL_SHARE => Rank::Trial,
            time => Rank::Time(time),
        },
        Strategy::RoundRobin => Rank::Turn(one.place),
    };
    let is_slowed =
        strategy != Strategy::Weighted && share < 1.0 && self::chance(!asked.seed, one.place) > share;
    let tries = u32::try_from(tries).unwrap_or(u32::MAX);
    Reason { tries, last_resort: one.last_resort, tier: candidate.tier, is_slowed, rank }
}

/// Within each tier the candidate whose turn it is goes first, the one after it second.
fn take_turns(turn: u64, planned: &mut [Planned]) {
    planned.sort_by_key(|planned| planned.reason.tier);
    for tier in planned.chunk_by_mut(|one, other| one.reason.tier == other.reason.tier) {
        let size = tier.len();
        let first = usize::try_from(turn % size as u64).expect("less than the size");
        for (index, planned) in tier.iter_mut().enumerate() {
            planned.reason.rank = Rank::Turn((index + size - first) % size);
        }
    }
}

fn compare(one: &Reason, other: &Reason) -> Ordering {
    let key = |reason: &Reason| (reason.tries, reason.last_resort, reason.tier, reason.is_slowed);
    key(one).cmp(&key(other)).then_with(|| match (one.rank, other.rank) {
        (Rank::Chance { drawn: one, .. }, Rank::Chance { drawn: other, .. }) => one.total_cmp(&other),
        (Rank::Price(one), Rank::Price(other)) => (one.is_none(), one).cmp(&(other.is_none(), other)),
        (Rank::Trial, Rank::Time(_)) => Ordering::Less,
        (Rank::Time(_), Rank::Trial) => Ordering::Greater,
        (Rank::Time(one), Rank::Time(other)) => (one.is_none(), one).cmp(&(other.is_none(), other)),
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

/// The seed that a text stands for, such as the id of a task.
pub fn seed(text: &str) -> u64 {
    let word = |chunk: &[u8]| chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    text.as_bytes().chunks(8).fold(text.len() as u64, |seed, chunk| mix(seed ^ word(chunk)))
}

/// Spreads what differs in a few bits over all of them (the finalizer of SplitMix64, by Steele, Lea and Flood).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
