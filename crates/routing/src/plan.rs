//! Routes, and the plan for one task.

use std::collections::HashMap;

use domain::{AccountName, Attempt, GenerationRequest, Preference};

/// The accounts that may serve a public model, in the operator's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The public name.
    pub model: String,
    /// In order of preference.
    pub candidates: Vec<Candidate>,
}

/// One way to serve a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The account.
    pub account: AccountName,
    /// The provider's own name of the model.
    pub upstream_model: String,
    /// Whether the account is one at the maker of the model.
    pub official: bool,
}

/// The answer for one task: whom to try, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In the order to try.
    pub candidates: Vec<Candidate>,
}

/// All routes.
#[derive(Debug, Clone, Default)]
pub struct Router {
    routes: HashMap<String, Vec<Candidate>>,
}

impl Router {
    /// A router of these routes; of two for one model the later counts.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        Self { routes: routes.into_iter().map(|route| (route.model, route.candidates)).collect() }
    }

    /// Whether anything serves `model`.
    pub fn serves(&self, model: &str) -> bool {
        self.routes.get(model).is_some_and(|candidates| !candidates.is_empty())
    }

    /// Whom to try next for `request` after `attempts`: the accounts least tried so far come first, and among those
    /// the operator's order counts. So the first round follows the route, and a second round begins only when every account has had its try.
    /// What is made from an earlier result stays with the account that made that.
    pub fn plan(&self, request: &GenerationRequest, attempts: &[Attempt]) -> Plan {
        let mut candidates = self.routes.get(&request.model).cloned().unwrap_or_default();
        if let Some(basis) = &request.basis {
            candidates.retain(|candidate| candidate.account == basis.account);
        }
        if request.preference == Some(Preference::Official) {
            candidates.retain(|candidate| candidate.official);
        }
        let tries = |candidate: &Candidate| {
            attempts.iter().filter(|attempt| attempt.plan.account == candidate.account).count()
        };
        candidates.sort_by_key(tries);
        Plan { candidates }
    }
}

impl Plan {
    /// Whether an account is left that has not been tried at all.
    pub fn has_untried(&self, attempts: &[Attempt]) -> bool {
        let tried = |name: &AccountName| attempts.iter().any(|attempt| attempt.plan.account == *name);
        self.candidates.iter().any(|candidate| !tried(&candidate.account))
    }
}

#[cfg(test)]
mod tests {
    use domain::{AttemptOutcome, Basis, Derivation, NewAttempt, Scope, TaskId, Timestamp};

    use super::*;

    fn candidate(account: &str) -> Candidate {
        Candidate { account: AccountName::new(account), upstream_model: "m".into(), official: account == "b" }
    }

    fn attempt(number: u32, account: &str) -> Attempt {
        Attempt {
            number,
            plan: NewAttempt {
                account: AccountName::new(account),
                provider: "p".into(),
                upstream_model: "m".into(),
            },
            intended_at: Timestamp::from_millis(0),
            outcome: AttemptOutcome::NotSent { reason: "refused".into() },
        }
    }

    fn request() -> GenerationRequest {
        GenerationRequest::new(Scope::Videos, "veo3", "a cat")
    }

    #[test]
    fn the_least_tried_account_comes_first_then_the_operators_order() {
        let router =
            Router::new([Route { model: "veo3".into(), candidates: vec![candidate("a"), candidate("b")] }]);
        let names = |attempts: &[Attempt]| {
            let plan = router.plan(&request(), attempts);
            plan.candidates.iter().map(|c| c.account.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["a", "b"]);
        assert_eq!(names(&[attempt(1, "a")]), ["b", "a"]);
        assert_eq!(names(&[attempt(1, "a"), attempt(2, "b")]), ["a", "b"]);
        assert!(router.plan(&request(), &[attempt(1, "a")]).has_untried(&[attempt(1, "a")]));
    }

    #[test]
    fn what_follows_a_result_stays_with_its_account() {
        let router =
            Router::new([Route { model: "veo3".into(), candidates: vec![candidate("a"), candidate("b")] }]);
        let mut request = request();
        request.basis = Some(Basis {
            task: TaskId::new("t"),
            index: 0,
            derivation: Derivation::Upscale,
            account: AccountName::new("b"),
            handle: "h".into(),
        });
        assert_eq!(router.plan(&request, &[attempt(1, "b")]).candidates, [candidate("b")]);
    }

    #[test]
    fn a_client_may_insist_on_official_accounts() {
        let router =
            Router::new([Route { model: "veo3".into(), candidates: vec![candidate("a"), candidate("b")] }]);
        let mut request = request();
        request.preference = Some(Preference::Official);
        assert_eq!(router.plan(&request, &[]).candidates, [candidate("b")]);
    }

    #[test]
    fn a_model_without_a_route_has_an_empty_plan() {
        assert!(!Router::default().serves("veo3"));
        assert!(Router::default().plan(&request(), &[]).candidates.is_empty());
    }
}
