//! The plan for one request: whom to try, in which order and why, and why the others not.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use domain::{AccountName, Attempt, GenerationRequest, Money, Quote, QuotedPrice, Strategy, Task, Timestamp};

use crate::condition::{Condition, OutReason, Standing};
use crate::order;
use crate::route::{Candidate, Policy, Route};

/// All routes.
#[derive(Debug, Clone, Default)]
pub struct Router {
    routes: HashMap<String, (Policy, Vec<Candidate>)>,
    /// Of the candidates for a request, at most this share is ejected at one time.
    ejected_percent_max: u8,
}

/// What a plan is made for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The request.
    pub request: &'a GenerationRequest,
    /// What was tried for it before.
    pub attempts: &'a [Attempt],
    /// What it may cost, once it is accepted: nobody else is tried then.
    pub quote: Option<&'a Quote>,
    /// Decides what is left to chance. The same seed makes the same plan.
    pub seed: u64,
    /// Whose turn it is, for [`Strategy::RoundRobin`].
    pub turn: u64,
}

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
    pub candidate: Candidate,
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
    /// The observed time to a result; those of whom nothing is known go first, so that it gets known.
    Time(Option<Duration>),
    /// How many turns away.
    Turn(usize),
}

/// Somebody not to try now.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// Whom.
    pub candidate: Candidate,
    /// Why not.
    pub why: Rejection,
}

/// Why a candidate is not tried.
#[derive(Debug, Clone, PartialEq)]
pub enum Rejection {
    /// The request goes on from a result of another account.
    OtherBasis,
    /// It is not at the maker of the model, and the client insists on that.
    NotOfficial,
    /// The client, or its key, allows only other accounts.
    NotAllowed,
    /// It is not in the region that is wanted.
    OtherRegion {
        /// Which.
        wanted: String,
    },
    /// It has no price for this request, and prices count.
    NoPrice,
    /// It was not part of what the task was quoted.
    NotQuoted,
    /// It costs more than is left.
    TooExpensive {
        /// What it costs.
        price: Money,
        /// What may be spent.
        left: Money,
    },
    /// It cannot express the request.
    Incapable(String),
    /// It has failed too often.
    Ejected {
        /// When it may be tried.
        until: Timestamp,
    },
    /// It refused us.
    Out {
        /// Why.
        reason: OutReason,
        /// When it is asked again.
        until: Timestamp,
    },
    /// It asked us to wait.
    Paused {
        /// For how long.
        until: Timestamp,
    },
    /// The operator wants it to take no more.
    Drained,
    /// It has no room.
    Full,
}

impl Router {
    /// A router of these routes; of two for one model the later counts. At most `ejected_percent_max` of a hundred of the
    /// candidates for a request are left out because they fail; the others are tried last.
    pub fn new(routes: impl IntoIterator<Item = Route>, ejected_percent_max: u8) -> Self {
        let routes = routes.into_iter().map(|route| (route.model, (route.policy, route.candidates)));
        Self { routes: routes.collect(), ejected_percent_max }
    }

    /// Whether anything serves `model`.
    pub fn serves(&self, model: &str) -> bool {
        self.routes.get(model).is_some_and(|(_, candidates)| !candidates.is_empty())
    }

    /// Whom to try for what is asked, under these conditions. The accounts least tried so far come first, so the first round
    /// follows the strategy, and a second one begins only when every account has had its try.
    pub fn plan(&self, asked: &Asked<'_>, condition: &dyn Fn(&Candidate) -> Condition) -> Plan {
        let preference = &asked.request.preference;
        let Some((policy, candidates)) = self.routes.get(&asked.request.model) else {
            return Plan {
                policy: Policy::default(),
                strategy: preference.strategy.unwrap_or_default(),
                candidates: Vec::new(),
                rejected: Vec::new(),
            };
        };
        let strategy = preference.strategy.unwrap_or(policy.strategy);
        let left = asked.left(policy);
        let mut rejected = Vec::new();
        let mut open = Vec::with_capacity(candidates.len());
        for (place, candidate) in candidates.iter().enumerate() {
            match asked.admits(candidate, left) {
                Ok(price) => {
                    open.push(order::Open { place, candidate, price, condition: condition(candidate) })
                }
                Err(why) => rejected.push(Rejected { candidate: candidate.clone(), why }),
            }
        }
        let ejected_max = open.len() * usize::from(self.ejected_percent_max) / 100;
        let candidates = order::order(asked, strategy, open, ejected_max, &mut rejected);
        Plan { policy: *policy, strategy, candidates, rejected }
    }
}

impl<'a> Asked<'a> {
    /// For a request that is not accepted yet.
    pub fn new(request: &'a GenerationRequest, seed: u64) -> Self {
        Self { request, attempts: &[], quote: None, seed, turn: 0 }
    }

    /// For a task; its id is the seed.
    pub fn task(task: &'a Task, turn: u64) -> Self {
        let seed = order::seed(task.id.as_str());
        Self { request: &task.request, attempts: &task.attempts, quote: Some(&task.quote), seed, turn }
    }

    /// What may be spent yet; `None` if there is no bound.
    fn left(&self, policy: &Policy) -> Option<Money> {
        let bounds = [self.request.preference.price_max, policy.price_max];
        let price_max = bounds.into_iter().flatten().min()?;
        let price =
            |attempt: &Attempt| self.quote?.price(&attempt.plan.account, &attempt.plan.upstream_model);
        let mut spent =
            self.attempts.iter().filter(|attempt| attempt.outcome.may_be_paid()).filter_map(price);
        spent.try_fold(price_max, Money::checked_sub).or(Some(Money::ZERO))
    }

    /// What the candidate costs, if it may serve the request at all.
    fn admits(&self, candidate: &Candidate, left: Option<Money>) -> Result<Option<Money>, Rejection> {
        let preference = &self.request.preference;
        if self.request.basis.as_ref().is_some_and(|basis| basis.account != candidate.account) {
            return Err(Rejection::OtherBasis);
        }
        if preference.official && !candidate.official {
            return Err(Rejection::NotOfficial);
        }
        if preference.accounts.as_ref().is_some_and(|allowed| !allowed.contains(&candidate.account)) {
            return Err(Rejection::NotAllowed);
        }
        if let Some(wanted) = preference.region.as_ref().filter(|wanted| !candidate.regions.contains(wanted))
        {
            return Err(Rejection::OtherRegion { wanted: wanted.clone() });
        }
        let price = match self.quote {
            Some(quote) => {
                let quoted = quote.price(&candidate.account, &candidate.upstream_model);
                Some(quoted.ok_or(Rejection::NotQuoted)?)
            }
            None => candidate.price(self.request),
        };
        match (price, left) {
            (None, Some(_)) => Err(Rejection::NoPrice),
            (Some(price), Some(left)) if price > left => Err(Rejection::TooExpensive { price, left }),
            (price, _) => Ok(price),
        }
    }
}

impl Plan {
    /// What `request` may cost; `None` if there are prices, but none for it. Whoever may be tried later counts, too.
    /// Candidates without a price are not part of it, unless none has any: then it is free.
    pub fn quote(&self, request: &GenerationRequest) -> Option<Quote> {
        let now = self.candidates.iter().map(|planned| &planned.candidate);
        let later = self.rejected.iter().filter(|rejected| rejected.why.passes());
        let open: Vec<&Candidate> = now.chain(later.map(|rejected| &rejected.candidate)).collect();
        if open.iter().all(|candidate| candidate.prices.is_none()) {
            return Some(Quote::default());
        }
        let quoted = |candidate: &&Candidate| {
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

impl Rejection {
    /// Whether it is a matter of time.
    pub fn passes(&self) -> bool {
        matches!(
            self,
            Self::Ejected { .. } | Self::Out { .. } | Self::Paused { .. } | Self::Drained | Self::Full
        )
    }

    /// When it passes, if that is known.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Ejected { until } | Self::Out { until, .. } | Self::Paused { until } => Some(*until),
            _ => None,
        }
    }

    pub(crate) fn of(condition: &Condition) -> Option<Self> {
        match condition.standing {
            _ if condition.cannot.is_some() => condition.cannot.clone().map(Self::Incapable),
            Standing::Ejected { until } => Some(Self::Ejected { until }),
            Standing::Out { reason, until } => Some(Self::Out { reason, until }),
            Standing::Paused { until } => Some(Self::Paused { until }),
            Standing::Drained => Some(Self::Drained),
            Standing::Ready | Standing::Probe if condition.is_full => Some(Self::Full),
            Standing::Ready | Standing::Probe => None,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherBasis => f.write_str("another account has the result to go on from"),
            Self::NotOfficial => f.write_str("it is not at the maker of the model"),
            Self::NotAllowed => f.write_str("it is not among the accounts that are allowed"),
            Self::OtherRegion { wanted } => write!(f, "it is not in the region {wanted}"),
            Self::NoPrice => f.write_str("it has no price for this request"),
            Self::NotQuoted => f.write_str("it was not part of the quote"),
            Self::TooExpensive { price, left } => write!(f, "it costs {price}, and {left} is left"),
            Self::Incapable(why) => f.write_str(why),
            Self::Ejected { .. } => f.write_str("it has failed too often lately"),
            Self::Out { reason: OutReason::Credential, .. } => f.write_str("it refuses our credential"),
            Self::Out { reason: OutReason::Money, .. } => f.write_str("it has no money left"),
            Self::Paused { .. } => f.write_str("it asked us to wait"),
            Self::Drained => f.write_str("the operator has drained it"),
            Self::Full => f.write_str("it has no room"),
        }
    }
}
