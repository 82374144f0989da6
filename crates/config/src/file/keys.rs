//! Client keys as written.

use domain::Strategy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::routes::StrategyText;
use crate::environment::SecretRef;
use crate::prices::AmountText;

/// A client key.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyEntry {
    /// What logs and tasks call its owner.
    #[schemars(required, extend("examples" = ["studio"]))]
    pub(crate) name: Option<String>,
    /// Where the key is: env:NAME or file:PATH. At least 16 characters.
    #[schemars(required, extend("examples" = ["env:STUDIO_KEY"]))]
    pub(crate) key: Option<SecretRef>,
    /// Requests a minute. Default: that of limits.
    #[schemars(range(min = 1), extend("examples" = [600]))]
    pub(crate) requests_per_minute: Option<u32>,
    /// Of these, how many may come at once. Default: that of limits.
    #[schemars(range(min = 1), extend("examples" = [60]))]
    pub(crate) requests_burst: Option<u32>,
    /// Tasks at one time. Default: that of limits.
    #[schemars(range(min = 1), extend("examples" = [20]))]
    pub(crate) concurrent_tasks: Option<u32>,
    /// New tasks in one day, which begins at midnight UTC. Default: that of limits.
    #[schemars(range(min = 1), extend("examples" = [500]))]
    pub(crate) daily_tasks: Option<u32>,
    /// What the tasks of one day may cost, set aside and spent. Default: that of limits.
    #[schemars(extend("examples" = ["10"]))]
    pub(crate) daily_spend: Option<AmountText>,
    /// What its tasks may cost in all, set aside and spent. Default: that of limits.
    #[schemars(extend("examples" = ["100"]))]
    pub(crate) budget: Option<AmountText>,
    /// The API that its requests are taken for where several claim the same path. Default: what the request shows.
    #[schemars(extend("examples" = ["v2"]))]
    pub(crate) dialect: Option<String>,
    /// The public models that it may use. Default: all.
    #[schemars(extend("examples" = [["studio-image"]]))]
    pub(crate) models: Option<Vec<String>>,
    /// The accounts that may serve it. Default: all.
    #[schemars(extend("examples" = [["main"]]))]
    pub(crate) accounts: Option<Vec<String>>,
    /// Whether only accounts at the makers of the models may serve it. Default: false.
    #[schemars(extend("examples" = [true]))]
    pub(crate) official: Option<bool>,
    /// Only accounts of this region may serve it. Default: any.
    #[schemars(extend("examples" = ["eu"]))]
    pub(crate) region: Option<String>,
    /// The order in which accounts are tried, for requests that do not say. Default: that of the route.
    #[schemars(with = "Option<StrategyText>", extend("examples" = ["cheapest"]))]
    pub(crate) strategy: Option<Strategy>,
    /// What one task may cost at most, over all attempts that may have to be paid. Accounts without a price are never used
    /// then. Default: what the route says.
    #[schemars(extend("examples" = ["2"]))]
    pub(crate) price_max: Option<AmountText>,
    /// Limits for single models, besides those for all of them together.
    #[serde(default)]
    pub(crate) per_model: Vec<PerModelEntry>,
}

/// The limits of a client key for one model. What is left out is bounded only for all models together.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PerModelEntry {
    /// The public name of the model.
    #[schemars(required, extend("examples" = ["studio-image"]))]
    pub(crate) model: Option<String>,
    /// New tasks a minute.
    #[schemars(range(min = 1), extend("examples" = [60]))]
    pub(crate) requests_per_minute: Option<u32>,
    /// Tasks at one time.
    #[schemars(range(min = 1), extend("examples" = [5]))]
    pub(crate) concurrent_tasks: Option<u32>,
    /// New tasks in one day, which begins at midnight UTC.
    #[schemars(range(min = 1), extend("examples" = [100]))]
    pub(crate) daily_tasks: Option<u32>,
    /// What the tasks of one day may cost, set aside and spent.
    #[schemars(extend("examples" = ["5"]))]
    pub(crate) daily_spend: Option<AmountText>,
}
