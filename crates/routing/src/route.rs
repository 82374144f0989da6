//! Routes: which accounts may serve a public model, and by which rule one is chosen.

use std::sync::Arc;

use domain::{AccountName, GenerationRequest, Money, PriceList, Strategy};

/// The accounts that may serve a public model.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The public name.
    pub model: String,
    /// How one of them is chosen.
    pub policy: Policy,
    /// In the operator's order.
    pub candidates: Vec<Candidate>,
}

/// How the accounts of a route are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// The order, unless the request or its key wants another.
    pub strategy: Strategy,
    /// What one task may cost at most, over all attempts that may have to be paid; absent if there is no bound.
    pub price_max: Option<Money>,
    /// Submissions of one task, over all accounts; absent if the bound of all tasks holds.
    pub attempts_max: Option<u32>,
    /// Whether another account is asked when one refuses the content of a request.
    pub policy_failover: bool,
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
    /// Where the account works, in the operator's words.
    pub regions: Arc<[String]>,
    /// A candidate is tried before those of a higher tier, whatever the strategy says.
    pub tier: u32,
    /// Its share among the candidates of its tier, for [`Strategy::Weighted`]; at least 1.
    pub weight: u32,
    /// What it costs; absent if nobody counts.
    pub prices: Option<Arc<PriceList>>,
}

impl Candidate {
    /// One of the first tier with the weight 1, no region and no price.
    pub fn new(account: AccountName, upstream_model: impl Into<String>) -> Self {
        Self {
            account,
            upstream_model: upstream_model.into(),
            official: false,
            regions: Arc::from([]),
            tier: 1,
            weight: 1,
            prices: None,
        }
    }

    /// What `request` costs there; `None` if that cannot be told.
    pub fn price(&self, request: &GenerationRequest) -> Option<Money> {
        self.prices.as_ref()?.price(request)
    }
}
