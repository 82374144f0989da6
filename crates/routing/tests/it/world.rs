//! Routes, requests and conditions of every kind, for properties of plans.

use std::sync::Arc;
use std::time::Duration;

use domain::{
    AccountName, Attempt, AttemptOutcome, Basis, Derivation, GenerationRequest, Money, NewAttempt,
    Preference, PriceCondition, PriceList, PriceRule, Rate, Scope, Strategy as Order, TaskId, Timestamp,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use routing::{Asked, Candidate, Condition, OutReason, Plan, Policy, Route, Router, Standing};

pub(crate) const MODEL: &str = "model";
const REGIONS: [&str; 2] = ["eu", "us"];
const UNTIL: Timestamp = Timestamp::from_millis(1_000);

/// A route, a request, and how everybody is.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) route: Route,
    pub(crate) request: GenerationRequest,
    /// By place in the route.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) percent_max: u8,
    pub(crate) seed: u64,
    pub(crate) turn: u64,
}

impl World {
    pub(crate) fn router(&self) -> Router {
        Router::new([self.route.clone()], self.percent_max)
    }

    /// For a request that is not accepted yet, but was tried before: a plan looks at both.
    pub(crate) fn asked(&self) -> Asked<'_> {
        let (attempts, turn) = (&self.attempts, self.turn);
        Asked { attempts, turn, ..Asked::new(&self.request, self.seed) }
    }

    pub(crate) fn plan(&self) -> Plan {
        self.router().plan(&self.asked(), &|candidate| self.condition(candidate).clone())
    }

    pub(crate) fn condition(&self, candidate: &Candidate) -> &Condition {
        &self.conditions[self.place(candidate)]
    }

    /// Each candidate is named after its place.
    pub(crate) fn place(&self, candidate: &Candidate) -> usize {
        let is_it = |other: &Candidate| other.upstream_model == candidate.upstream_model;
        self.route.candidates.iter().position(is_it).expect("it is of the route")
    }

    pub(crate) fn tries(&self, candidate: &Candidate) -> usize {
        self.attempts.iter().filter(|attempt| attempt.plan.account == candidate.account).count()
    }

    /// What a task may cost by the route and the request.
    pub(crate) fn price_max(&self) -> Option<Money> {
        [self.route.policy.price_max, self.request.preference.price_max].into_iter().flatten().min()
    }
}

/// An attempt with that candidate.
pub(crate) fn attempt(candidate: &Candidate, outcome: AttemptOutcome) -> Attempt {
    let plan = NewAttempt {
        account: candidate.account.clone(),
        provider: "provider".into(),
        upstream_model: candidate.upstream_model.clone(),
        account_version: String::new(),
    };
    Attempt { number: 1, plan, intended_at: UNTIL, outcome }
}

/// A price for every request.
pub(crate) fn flat(price: Money) -> Arc<PriceList> {
    let rule = PriceRule { when: PriceCondition::default(), rate: Rate::PerCall(price) };
    Arc::new(PriceList::new(vec![rule]))
}

/// Worlds with at most seven candidates at at most four accounts.
pub(crate) fn worlds() -> impl Strategy<Value = World> {
    let drawn = vec((candidate(), condition(), option::weighted(0.2, outcome())), 0..8);
    (drawn, preference(), policy(), option::weighted(0.1, account()), (0u8..=100, any::<u64>(), any::<u64>()))
        .prop_map(|(drawn, preference, policy, basis, (percent_max, seed, turn))| {
            let mut request = GenerationRequest::new(Scope::Videos, MODEL, "a cat");
            request.preference = preference;
            request.basis = basis.map(|account| Basis {
                task: TaskId::new("t"),
                account,
                handle: "h".into(),
                index: 0,
                derivation: Derivation::Remix,
            });
            let mut route = Route { model: MODEL.into(), policy, candidates: Vec::new() };
            let (mut conditions, mut attempts) = (Vec::new(), Vec::new());
            for (place, (candidate, condition, outcome)) in drawn.into_iter().enumerate() {
                let candidate = Candidate { upstream_model: format!("m{place}"), ..candidate };
                attempts.extend(outcome.map(|outcome| attempt(&candidate, outcome)));
                route.candidates.push(candidate);
                conditions.push(condition);
            }
            World { route, request, conditions, attempts, percent_max, seed, turn }
        })
}

fn account() -> impl Strategy<Value = AccountName> {
    (0..4).prop_map(|number| AccountName::new(format!("a{number}")))
}

fn money() -> impl Strategy<Value = Money> {
    (0i64..6).prop_map(Money::from_billionths)
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let regions = vec(prop::sample::select(&REGIONS), 0..2)
        .prop_map(|regions| regions.into_iter().map(str::to_owned).collect());
    let for_4k_only = money().prop_map(|price| {
        let when = PriceCondition { resolution: Some("4k".into()), ..PriceCondition::default() };
        Arc::new(PriceList::new(vec![PriceRule { when, rate: Rate::PerCall(price) }]))
    });
    let prices = prop_oneof![1 => Just(None), 6 => money().prop_map(|price| Some(flat(price))), 1 => for_4k_only.prop_map(Some)];
    (account(), any::<bool>(), regions, 1u32..4, 1u32..5, prices).prop_map(
        |(account, official, regions, tier, weight, prices)| Candidate {
            official,
            regions,
            tier,
            weight,
            prices,
            ..Candidate::new(account, "")
        },
    )
}

fn condition() -> impl Strategy<Value = Condition> {
    let until = (1i64..5).prop_map(|n| Timestamp::from_millis(1_000 * n));
    let standing = prop_oneof![
        4 => Just(Standing::Ready),
        1 => Just(Standing::Probe),
        4 => until.prop_map(|until| Standing::Ejected { until }),
        1 => Just(Standing::Out { reason: OutReason::Money, until: UNTIL }),
        1 => Just(Standing::Paused { until: UNTIL }),
        1 => Just(Standing::Drained),
    ];
    let time = option::of((1u64..5).prop_map(Duration::from_secs));
    let cannot = option::weighted(0.1, Just("it makes no squares".to_owned()));
    (standing, prop::sample::select(vec![1.0, 1.0, 0.5, 0.0]), prop::bool::weighted(0.2), time, cannot)
        .prop_map(|(standing, share, is_full, time_to_result, cannot)| Condition {
            standing,
            share,
            is_full,
            time_to_result,
            cannot,
        })
}

fn preference() -> impl Strategy<Value = Preference> {
    let accounts = option::weighted(0.2, vec(account(), 0..4));
    let region = option::weighted(0.2, prop::sample::select(&REGIONS).prop_map(str::to_owned));
    let strategy = option::of(prop::sample::select(&Order::ALL));
    (strategy, prop::bool::weighted(0.2), option::weighted(0.4, money()), region, accounts).prop_map(
        |(strategy, official, price_max, region, accounts)| Preference {
            strategy,
            official,
            price_max,
            region,
            accounts,
        },
    )
}

fn policy() -> impl Strategy<Value = Policy> {
    (prop::sample::select(&Order::ALL), option::weighted(0.2, money()))
        .prop_map(|(strategy, price_max)| Policy { strategy, price_max, ..Policy::default() })
}

fn outcome() -> impl Strategy<Value = AttemptOutcome> {
    let reason = String::new;
    prop::sample::select(vec![
        AttemptOutcome::NotSent { reason: reason() },
        AttemptOutcome::Rejected { reason: reason() },
        AttemptOutcome::Failed { reason: reason() },
        AttemptOutcome::Abandoned { reason: reason() },
    ])
}
