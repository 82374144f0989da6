//! The plan for one request: whom to try, in which order and why, and why the others not.

use std::sync::Arc;
use std::time::Duration;

use domain::{AccountName, Attempt, GenerationRequest, Money, Quote, QuotedPrice, Strategy, Timestamp};

use crate::rejection::Rejection;
use crate::route::{Candidate, Policy};

/// The answer: whom to try, and why not the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The rule of the route.
    pub policy: Policy,
    /// The order that counted.
    pub strategy: Strategy,
    /// In the order to try.
    pub candidates: Vec<Planned>,
    /// Those that are not tried now.
    pub rejected: Vec<Rejected>,
}

/// Somebody to try.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Whom.
    pub candidate: Arc<Candidate>,
    /// Why there in the order.
    pub reason: Reason,
}

/// What decided a place in the order. The first that differs between two candidates counts, in the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reason {
    /// How often its account was tried for this task.
    pub tries: u32,
    /// Whether its account is ejected, and only tried because too many others are, too.
    pub last_resort: bool,
    /// Its tier.
    pub tier: u32,
    /// Whether its account has just recovered, and lets others go first.
    pub is_slowed: bool,
    /// What the strategy looked at.
    pub rank: Rank,
}

/// What a strategy looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rank {
    /// The place in the route, from 0.
    Place(usize),
    /// The weight, and what chance made of it: the lowest goes first.
    Chance {
        /// The weight.
        weight: u32,
        /// What chance made of it.
        drawn: f64,
    },
    /// The price; unknown ones go last.
    Price(Option<Money>),
    /// The observed time to a result; those of whom nothing is known go last.
    Time(Option<Duration>),
    /// Nothing is known of its time to a result, and it goes first now and then, so that it gets known.
    Trial,
    /// How many turns away.
    Turn(usize),
}

/// Somebody not to try now.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// Whom.
    pub candidate: Arc<Candidate>,
    /// Why not.
    pub why: Rejection,
}

impl Plan {
    /// What `request` may cost; `None` if there are prices, but none for it. Whoever may be tried later counts, too.
    /// Candidates without a price are not part of it, unless none has any: then it is free.
    pub fn quote(&self, request: &GenerationRequest) -> Option<Quote> {
        let now = self.candidates.iter().map(|planned| &planned.candidate);
        let later = self.rejected.iter().filter(|rejected| rejected.why.passes());
        let open: Vec<&Arc<Candidate>> = now.chain(later.map(|rejected| &rejected.candidate)).collect();
        if open.iter().all(|candidate| candidate.prices.is_none()) {
            return Some(Quote::default());
        }
        let quoted = |candidate: &&Arc<Candidate>| {
            candidate.price(request).map(|price| QuotedPrice {
                account: candidate.account.clone(),
                upstream_model: candidate.upstream_model.clone(),
                price,
            })
        };
        let prices: Vec<QuotedPrice> = open.iter().filter_map(quoted).collect();
        (!prices.is_empty()).then(|| Quote::new(prices))
    }

    /// Whether anybody may serve the request, now or later.
    pub fn is_possible(&self) -> bool {
        !self.candidates.is_empty() || self.rejected.iter().any(|rejected| rejected.why.passes())
    }

    /// When the first of those who are not tried now may be tried; `None` if nobody knows.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.rejected.iter().filter_map(|rejected| rejected.why.until()).min()
    }

    /// Whether an account is left that has not been tried at all.
    pub fn has_untried(&self, attempts: &[Attempt]) -> bool {
        let tried = |name: &AccountName| attempts.iter().any(|attempt| attempt.plan.account == *name);
        self.candidates.iter().any(|planned| !tried(&planned.candidate.account))
    }
}
