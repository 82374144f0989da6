//! Routes, and the plan for one task.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{
    AccountName, Attempt, GenerationRequest, Money, Preference, PriceList, Quote, QuotedPrice, Task,
};

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
    /// What it costs; absent if nobody counts.
    pub prices: Option<Arc<PriceList>>,
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

    /// Whom to try for a request that is not accepted yet: the operator's order counts, or the price if the client wants the
    /// cheapest. What is made from an earlier result stays with the account that made that.
    pub fn plan(&self, request: &GenerationRequest) -> Plan {
        self.ordered(request, &[], |candidate| candidate.price(request))
    }

    /// Whom to try next for `task`: the accounts least tried so far come first, and among those the order of [`Self::plan`]
    /// counts. So the first round follows the route, and a second round begins only when every account has had its try.
    /// What was not part of the task's quote is not tried, and what is cheapest is what the quote says.
    pub fn plan_for(&self, task: &Task) -> Plan {
        let quoted = |candidate: &Candidate| task.quote.price(&candidate.account, &candidate.upstream_model);
        let mut plan = self.ordered(&task.request, &task.attempts, quoted);
        plan.candidates.retain(|candidate| quoted(candidate).is_some());
        plan
    }

    fn ordered(
        &self,
        request: &GenerationRequest,
        attempts: &[Attempt],
        price: impl Fn(&Candidate) -> Option<Money>,
    ) -> Plan {
        let mut candidates = self.routes.get(&request.model).cloned().unwrap_or_default();
        if let Some(basis) = &request.basis {
            candidates.retain(|candidate| candidate.account == basis.account);
        }
        match request.preference {
            Some(Preference::Official) => candidates.retain(|candidate| candidate.official),
            Some(Preference::Cheapest) => {
                candidates.sort_by_key(|candidate| {
                    price(candidate).map_or((true, Money::ZERO), |price| (false, price))
                });
            }
            None => {}
        }
        let tries = |candidate: &Candidate| {
            attempts.iter().filter(|attempt| attempt.plan.account == candidate.account).count()
        };
        candidates.sort_by_key(tries);
        Plan { candidates }
    }
}

impl Candidate {
    /// What `request` costs there; `None` if that cannot be told.
    pub fn price(&self, request: &GenerationRequest) -> Option<Money> {
        self.prices.as_ref()?.price(request)
    }
}

impl Plan {
    /// What `request` may cost; `None` if there are prices, but none for it. Candidates without one are not part of it, unless
    /// none has any: then it is free.
    pub fn quote(&self, request: &GenerationRequest) -> Option<Quote> {
        if self.candidates.iter().all(|candidate| candidate.prices.is_none()) {
            return Some(Quote::default());
        }
        let quoted = |candidate: &Candidate| {
            candidate.price(request).map(|price| QuotedPrice {
                account: candidate.account.clone(),
                upstream_model: candidate.upstream_model.clone(),
                price,
            })
        };
        let prices: Vec<QuotedPrice> = self.candidates.iter().filter_map(quoted).collect();
        (!prices.is_empty()).then(|| Quote::new(prices))
    }

    /// Whether an account is left that has not been tried at all.
    pub fn has_untried(&self, attempts: &[Attempt]) -> bool {
        let tried = |name: &AccountName| attempts.iter().any(|attempt| attempt.plan.account == *name);
        self.candidates.iter().any(|candidate| !tried(&candidate.account))
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        AttemptOutcome, Basis, Derivation, NewAttempt, OwnerId, PriceCondition, PriceRule, Rate, Scope,
        TaskId, TaskState, Timestamp,
    };

    use super::*;

    const START: Timestamp = Timestamp::from_millis(0);

    fn candidate(account: &str) -> Candidate {
        let account = AccountName::new(account);
        let official = account.as_str() == "b";
        Candidate { account, upstream_model: "m".into(), official, prices: None }
    }

    fn costing(account: &str, price: &str) -> Candidate {
        let rate = Rate::PerCall(money(price));
        let list = PriceList::new(vec![PriceRule { when: PriceCondition::default(), rate }]);
        Candidate { prices: Some(Arc::new(list)), ..candidate(account) }
    }

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    fn attempt(number: u32, account: &str) -> Attempt {
        Attempt {
            number,
            plan: NewAttempt {
                account: AccountName::new(account),
                provider: "p".into(),
                upstream_model: "m".into(),
            },
            intended_at: START,
            outcome: AttemptOutcome::NotSent { reason: "refused".into() },
        }
    }

    fn request() -> GenerationRequest {
        GenerationRequest::new(Scope::Videos, "veo3", "a cat")
    }

    fn task(attempts: &[Attempt]) -> Task {
        Task {
            id: TaskId::new("t"),
            owner: OwnerId::new("o"),
            dialect: "v2".into(),
            request: request(),
            state: TaskState::Queued,
            attempts: attempts.to_vec(),
            created_at: START,
            deadline_at: START,
            quote: Quote::default(),
            version: 0,
        }
    }

    fn router(candidates: Vec<Candidate>) -> Router {
        Router::new([Route { model: "veo3".into(), candidates }])
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.candidates.iter().map(|candidate| candidate.account.as_str()).collect()
    }

    #[test]
    fn the_least_tried_account_comes_first_then_the_operators_order() {
        let router = router(vec![candidate("a"), candidate("b")]);
        assert_eq!(names(&router.plan(&request())), ["a", "b"]);
        assert_eq!(names(&router.plan_for(&task(&[attempt(1, "a")]))), ["b", "a"]);
        assert_eq!(names(&router.plan_for(&task(&[attempt(1, "a"), attempt(2, "b")]))), ["a", "b"]);
        assert!(router.plan_for(&task(&[attempt(1, "a")])).has_untried(&[attempt(1, "a")]));
    }

    #[test]
    fn what_follows_a_result_stays_with_its_account() {
        let router = router(vec![candidate("a"), candidate("b")]);
        let mut task = task(&[attempt(1, "b")]);
        task.request.basis = Some(Basis {
            task: TaskId::new("t"),
            index: 0,
            derivation: Derivation::Upscale,
            account: AccountName::new("b"),
            handle: "h".into(),
        });
        assert_eq!(router.plan_for(&task).candidates, [candidate("b")]);
    }

    #[test]
    fn a_client_may_insist_on_official_accounts() {
        let router = router(vec![candidate("a"), candidate("b")]);
        let mut request = request();
        request.preference = Some(Preference::Official);
        assert_eq!(router.plan(&request).candidates, [candidate("b")]);
    }

    #[test]
    fn a_client_may_want_the_cheapest_first() {
        let router =
            router(vec![costing("a", "0.4"), candidate("b"), costing("c", "0.1"), costing("d", "0.4")]);
        let mut task = task(&[]);
        assert_eq!(names(&router.plan(&task.request)), ["a", "b", "c", "d"]);
        task.request.preference = Some(Preference::Cheapest);
        assert_eq!(names(&router.plan(&task.request)), ["c", "a", "d", "b"]);
        // What counts for an accepted task is what it was quoted.
        task.quote = Quote::new(["d", "c"].into_iter().zip(["0.1", "0.2"]).map(quoted).collect());
        assert_eq!(names(&router.plan_for(&task)), ["d", "c"]);
        task.attempts = vec![attempt(1, "d")];
        assert_eq!(names(&router.plan_for(&task)), ["c", "d"]);
    }

    fn quoted((account, price): (&str, &str)) -> QuotedPrice {
        QuotedPrice { account: AccountName::new(account), upstream_model: "m".into(), price: money(price) }
    }

    #[test]
    fn a_quote_has_what_has_a_price_and_nothing_else_is_tried() {
        let router = router(vec![costing("a", "0.4"), candidate("b"), costing("c", "1")]);
        let quote = router.plan(&request()).quote(&request()).unwrap();
        assert_eq!(quote, Quote::new(vec![quoted(("a", "0.4")), quoted(("c", "1"))]));
        assert_eq!(quote.reserved, money("1"));
        let task = Task { quote, ..task(&[]) };
        assert_eq!(names(&router.plan_for(&task)), ["a", "c"]);
    }

    #[test]
    fn without_prices_all_is_free_and_without_a_price_that_fits_there_is_no_quote() {
        assert_eq!(router(vec![candidate("a")]).plan(&request()).quote(&request()), Some(Quote::default()));
        assert_eq!(Router::default().plan(&request()).quote(&request()), Some(Quote::default()));
        let mut many = request();
        many.output.count = Some(u32::MAX);
        let router = router(vec![costing("a", "1000000000")]);
        assert_eq!(router.plan(&many).quote(&many), None);
    }

    #[test]
    fn a_model_without_a_route_has_an_empty_plan() {
        assert!(!Router::default().serves("veo3"));
        assert!(Router::default().plan(&request()).candidates.is_empty());
    }
}
