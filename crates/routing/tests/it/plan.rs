//! What every plan promises.

use domain::{AttemptOutcome, Money, Quote, Strategy as Order};
use proptest::prelude::*;
use routing::{Asked, Candidate, Condition, Planned, Rank, Reason, Rejection, Standing};

use crate::world::{World, attempt, worlds};

/// Whether `why` is true of the candidate.
fn is_true(world: &World, candidate: &Candidate, why: &Rejection) -> bool {
    let preference = &world.request.preference;
    let condition = world.condition(candidate);
    let price = candidate.price(&world.request);
    match why {
        Rejection::OtherBasis => {
            world.request.basis.as_ref().is_some_and(|basis| basis.account != candidate.account)
        }
        Rejection::NotOfficial => preference.official && !candidate.official,
        Rejection::NotAllowed => {
            preference.accounts.as_ref().is_some_and(|allowed| !allowed.contains(&candidate.account))
        }
        Rejection::OtherRegion { wanted } => {
            preference.region.as_ref() == Some(wanted) && !candidate.regions.contains(wanted)
        }
        Rejection::NoPrice => price.is_none() && world.price_max().is_some(),
        Rejection::NotQuoted => false,
        Rejection::TooExpensive { price: theirs, left } => {
            price == Some(*theirs) && theirs > left && world.price_max().is_some_and(|max| *left <= max)
        }
        Rejection::Incapable(text) => condition.cannot.as_ref() == Some(text),
        Rejection::Ejected { until } => condition.standing == Standing::Ejected { until: *until },
        Rejection::Out { reason, until } => {
            condition.standing == Standing::Out { reason: *reason, until: *until }
        }
        Rejection::Paused { until } => condition.standing == Standing::Paused { until: *until },
        Rejection::Drained => condition.standing == Standing::Drained,
        Rejection::Full => condition.is_full,
    }
}

/// Whether nothing speaks against trying the candidate but that it is ejected.
fn may_be_tried(world: &World, Planned { candidate, reason }: &Planned) -> bool {
    let preference = &world.request.preference;
    let condition = world.condition(candidate);
    let stands = match condition.standing {
        Standing::Ready | Standing::Probe => !reason.last_resort,
        Standing::Ejected { .. } => reason.last_resort,
        Standing::Out { .. } | Standing::Paused { .. } | Standing::Drained => false,
    };
    stands
        && !condition.is_full
        && condition.cannot.is_none()
        && world.request.basis.as_ref().is_none_or(|basis| basis.account == candidate.account)
        && (candidate.official || !preference.official)
        && preference.accounts.as_ref().is_none_or(|allowed| allowed.contains(&candidate.account))
        && preference.region.as_ref().is_none_or(|wanted| candidate.regions.contains(wanted))
        && world
            .price_max()
            .is_none_or(|max| candidate.price(&world.request).is_some_and(|price| price <= max))
}

/// What comes before the strategy.
fn round(reason: &Reason) -> (u32, bool, u32, bool) {
    (reason.tries, reason.last_resort, reason.tier, reason.is_slowed)
}

/// Whether the strategy has nothing against `one` before `other`.
fn is_in_order(strategy: Order, one: &Planned, other: &Planned) -> bool {
    match (strategy, one.reason.rank, other.reason.rank) {
        (Order::Priority, Rank::Place(one), Rank::Place(other)) => one < other,
        (Order::Weighted, Rank::Chance { drawn: one, .. }, Rank::Chance { drawn: other, .. }) => one <= other,
        (Order::Cheapest, Rank::Price(one), Rank::Price(other)) => match (one, other) {
            (Some(one), Some(other)) => one <= other,
            (one, other) => one.is_some() || other.is_none(),
        },
        (Order::Fastest, Rank::Trial, Rank::Trial | Rank::Time(_)) => true,
        (Order::Fastest, Rank::Time(Some(one)), Rank::Time(Some(other))) => one <= other,
        (Order::Fastest, Rank::Time(_), Rank::Time(None)) => true,
        (Order::RoundRobin, Rank::Turn(one), Rank::Turn(other)) => one < other,
        _ => false,
    }
}

/// Whether the rank says what is so.
fn is_true_rank(world: &World, Planned { candidate, reason }: &Planned) -> bool {
    match reason.rank {
        Rank::Place(place) => place == world.place(candidate),
        Rank::Chance { weight, drawn } => weight == candidate.weight && drawn >= 0.0,
        Rank::Price(price) => price == candidate.price(&world.request),
        Rank::Time(time) => time == world.condition(candidate).time_to_result,
        Rank::Trial => world.condition(candidate).time_to_result.is_none(),
        Rank::Turn(turns) => turns < world.route.candidates.len(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn everybody_is_planned_or_rejected_for_a_reason_that_is_true(world in worlds()) {
        let plan = world.plan();
        prop_assert_eq!(&plan, &world.plan(), "the same seed makes the same plan");
        let planned = plan.candidates.iter().map(|planned| &planned.candidate);
        let rejected = plan.rejected.iter().map(|rejected| &rejected.candidate);
        let mut places: Vec<usize> = planned.chain(rejected).map(|candidate| world.place(candidate)).collect();
        places.sort_unstable();
        prop_assert_eq!(places, (0..world.route.candidates.len()).collect::<Vec<_>>());
        for rejected in &plan.rejected {
            prop_assert!(is_true(&world, &rejected.candidate, &rejected.why), "{rejected:?}");
        }
        for planned in &plan.candidates {
            prop_assert!(may_be_tried(&world, planned), "{planned:?}");
            prop_assert_eq!(planned.reason.tries as usize, world.tries(&planned.candidate));
            prop_assert_eq!(planned.reason.tier, planned.candidate.tier);
            prop_assert!(is_true_rank(&world, planned), "{planned:?}");
            let is_whole = world.condition(&planned.candidate).share == 1.0;
            prop_assert!(!(is_whole && planned.reason.is_slowed));
        }
    }

    #[test]
    fn the_least_tried_come_first_then_the_tiers_then_the_strategy(world in worlds()) {
        let plan = world.plan();
        let strategy = world.request.preference.strategy.unwrap_or(world.route.policy.strategy);
        prop_assert_eq!(plan.strategy, strategy);
        for pair in plan.candidates.windows(2) {
            let (one, other) = (round(&pair[0].reason), round(&pair[1].reason));
            prop_assert!(one <= other, "{pair:?}");
            prop_assert!(one != other || is_in_order(strategy, &pair[0], &pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn no_more_are_left_out_as_ejected_than_may_be(world in worlds()) {
        let plan = world.plan();
        let open: Vec<&Condition> = plan
            .candidates
            .iter()
            .map(|planned| &planned.candidate)
            .chain(plan.rejected.iter().filter(|rejected| rejected.why.passes()).map(|rejected| &rejected.candidate))
            .map(|candidate| world.condition(candidate))
            .collect();
        let ejected: Vec<_> =
            open.iter().filter(|condition| matches!(condition.standing, Standing::Ejected { .. })).collect();
        let allowed = open.len() * usize::from(world.percent_max) / 100;
        let unusable = ejected.iter().filter(|condition| condition.is_full).count();
        let left_out = plan.rejected.iter().filter(|rejected| matches!(rejected.why, Rejection::Ejected { .. }));
        let spared = plan.candidates.iter().filter(|planned| planned.reason.last_resort).count();
        prop_assert!(left_out.count() <= allowed.max(unusable));
        prop_assert!(spared <= ejected.len().saturating_sub(allowed), "nobody without need");
    }

    #[test]
    fn the_quote_covers_everybody_who_may_be_tried_later(world in worlds()) {
        let at_first = world.plan();
        let Some(quote) = at_first.quote(&world.request) else { return Ok(()) };
        let prices = || quote.prices.iter().map(|quoted| quoted.price);
        prop_assert_eq!(quote.reserved, prices().max().unwrap_or_default());
        let asked = Asked { quote: Some(&quote), ..world.asked() };
        let later = world.router().plan(&asked, &|_| Condition::default());
        for rejected in &later.rejected {
            if rejected.why == Rejection::NotQuoted {
                let first = at_first.rejected.iter().find(|first| first.candidate == rejected.candidate);
                let has_price = rejected.candidate.price(&world.request).is_some();
                prop_assert!(!has_price || first.is_some_and(|first| !first.why.passes()), "{rejected:?}");
            }
        }
        for planned in &later.candidates {
            let of_quote = quote.price(&planned.candidate.account, &planned.candidate.upstream_model);
            prop_assert!(of_quote.is_some_and(|price| price <= quote.reserved));
        }
    }

    #[test]
    fn all_attempts_together_cost_no_more_than_may_be_spent(mut world in worlds()) {
        world.attempts.clear();
        let quote = world.plan().quote(&world.request).unwrap_or_else(Quote::default);
        let mut spent = Money::ZERO;
        for _round in 0..20 {
            let asked = Asked { quote: Some(&quote), ..world.asked() };
            let plan = world.router().plan(&asked, &|_| Condition::default());
            let Some(Planned { candidate, .. }) = plan.candidates.first() else { break };
            let price = quote.price(&candidate.account, &candidate.upstream_model);
            spent = spent.checked_add(price.expect("it is part of the quote")).expect("it is little");
            // The worst that can be: each may have to be paid.
            let outcome = AttemptOutcome::Abandoned { reason: String::new() };
            world.attempts.push(attempt(candidate, outcome));
            prop_assert!(world.price_max().is_none_or(|max| spent <= max), "{spent:?}");
        }
    }

    #[test]
    fn the_soonest_that_anybody_comes_back_is_known(world in worlds()) {
        let plan = world.plan();
        let soonest = plan.rejected.iter().filter_map(|rejected| rejected.why.until()).min();
        prop_assert_eq!(plan.next_at(), soonest);
        let may_wait = plan.rejected.iter().any(|rejected| rejected.why.passes());
        prop_assert_eq!(plan.is_possible(), may_wait || !plan.candidates.is_empty());
    }
}
