//! What a plan is made for, and which candidates it admits at all.

use domain::{Attempt, GenerationRequest, Money, Quote, Task};

use crate::order;
use crate::rejection::Rejection;
use crate::route::{Candidate, Policy};

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
    /// Whose turn it is, for [`domain::Strategy::RoundRobin`].
    pub turn: u64,
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
    pub(crate) fn left(&self, policy: &Policy) -> Option<Money> {
        let bounds = [self.request.preference.price_max, policy.price_max];
        let price_max = bounds.into_iter().flatten().min()?;
        let price = |attempt: &Attempt| {
            let quote = self.quote?;
            let quoted = quote.price(&attempt.plan.account, &attempt.plan.upstream_model);
            // What is not part of the quote cost no more than what was set aside.
            Some(quoted.unwrap_or(quote.reserved))
        };
        let mut spent =
            self.attempts.iter().filter(|attempt| attempt.outcome.may_be_paid()).filter_map(price);
        let left = spent.try_fold(price_max, Money::checked_sub);
        Some(left.unwrap_or_default().max(Money::ZERO))
    }

    /// What the candidate costs, if it may serve the request at all.
    pub(crate) fn admits(
        &self,
        candidate: &Candidate,
        left: Option<Money>,
    ) -> Result<Option<Money>, Rejection> {
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
