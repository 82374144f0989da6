//! Accounts as written, and the limits of providers.

use domain::OnUnknown;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::environment::SecretRef;
use crate::prices::{AmountText, PriceEntry};
use crate::text::DurationText;

/// One paid access to a provider.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountEntry {
    /// What routes, logs and metrics call it.
    #[schemars(required, extend("examples" = ["main"]))]
    pub(crate) name: Option<String>,
    /// The kind of API that it speaks.
    #[schemars(required, extend("examples" = ["v2"]))]
    pub(crate) provider: Option<String>,
    /// Where that API is; calls append their path.
    #[schemars(required, extend("examples" = ["https://api.example.com"]))]
    pub(crate) base_url: Option<String>,
    /// Where the provider takes files, if inputs shall be brought there. Default: the provider fetches them from this
    /// gateway, which needs a server.public_url that it can reach.
    #[schemars(extend("examples" = ["https://files.example.com"]))]
    pub(crate) files_url: Option<String>,
    /// What the provider signs callbacks with, as env:NAME or file:PATH; at least 24 characters. Without it the unguessable
    /// address alone counts.
    #[schemars(extend("examples" = ["env:MAIN_CALLBACK_SECRET"]))]
    pub(crate) callback_secret: Option<SecretRef>,
    /// Where the public keys of the provider's callbacks are, if elsewhere than its documents say.
    #[schemars(extend("examples" = ["https://keys.example.com/jwks.json"]))]
    pub(crate) callback_keys_url: Option<String>,
    /// Whether it is an account at the maker of the models: some clients may ask for those only. Default: false.
    #[schemars(extend("examples" = [true]))]
    pub(crate) official: Option<bool>,
    /// Where the provider's key is: env:NAME or file:PATH.
    #[schemars(required, extend("examples" = ["env:MAIN_ACCOUNT_KEY"]))]
    pub(crate) credential: Option<SecretRef>,
    /// Submits a minute; more wait their turn. Default: 10000.
    #[schemars(range(min = 1), extend("examples" = [20]))]
    pub(crate) requests_per_minute: Option<u32>,
    /// Tasks at the provider at one time; more wait their turn. Default: 1000.
    #[schemars(range(min = 1), extend("examples" = [10]))]
    pub(crate) concurrent_tasks: Option<u32>,
    /// Tasks that it takes on in one day, which begins at midnight UTC; more wait for the next. Default: no bound.
    #[schemars(range(min = 1), extend("examples" = [2000]))]
    pub(crate) daily_tasks: Option<u32>,
    /// What these may cost, set aside and spent; more wait for the next day. Default: no bound.
    #[schemars(extend("examples" = ["50"]))]
    pub(crate) daily_spend: Option<AmountText>,
    /// Where it works, in words of your own: keys and requests may ask for accounts of one region. Default: nowhere.
    #[schemars(extend("examples" = [["eu"]]))]
    pub(crate) regions: Option<Vec<String>>,
    /// What its models cost, for routes that do not say.
    #[serde(default)]
    pub(crate) prices: Vec<AccountPriceEntry>,
    /// How often to ask about a task. Default: as the provider's API wants it.
    pub(crate) poll: Option<PollEntry>,
    /// What becomes of a task when it could not be established within tasks.unknown_hold whether the provider took it.
    /// hold: it fails, and its money stays set aside; release: it fails, and its money is free; resubmit: it is submitted
    /// again, which may cost twice. Default: hold.
    #[schemars(with = "Option<OnUnknownText>", extend("examples" = ["release"]))]
    pub(crate) on_unknown: Option<OnUnknown>,
}

/// What a model costs at an account.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountPriceEntry {
    /// The provider's own name of the model.
    #[schemars(required, extend("examples" = ["studio-image"]))]
    pub(crate) upstream_model: Option<String>,
    /// For each result; or rules, of which the first that fits a request counts.
    #[schemars(required, extend("examples" = [[
        {"resolution": "4k", "per_second": "0.60", "seconds": 8},
        {"per_call": "0.40"}
    ]]))]
    pub(crate) price: Option<PriceEntry>,
}

/// The pace of polls: often while a task is young, less often as it ages.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PollEntry {
    /// From acceptance to the first poll.
    #[schemars(required, extend("examples" = ["20s"]))]
    pub(crate) first: Option<DurationText>,
    /// The shortest time between two polls.
    #[schemars(required, extend("examples" = ["5s"]))]
    pub(crate) shortest: Option<DurationText>,
    /// The longest time between two polls.
    #[schemars(required, extend("examples" = ["30s"]))]
    pub(crate) longest: Option<DurationText>,
}

/// The limits of all accounts of one provider together. What is left out is bounded only by the limits of each account.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderEntry {
    /// The kind of API that the accounts speak.
    #[schemars(required, extend("examples" = ["v2"]))]
    pub(crate) provider: Option<String>,
    /// Submits a minute; more wait their turn.
    #[schemars(range(min = 1), extend("examples" = [100]))]
    pub(crate) requests_per_minute: Option<u32>,
    /// Tasks at one time; more wait their turn.
    #[schemars(range(min = 1), extend("examples" = [50]))]
    pub(crate) concurrent_tasks: Option<u32>,
    /// Tasks in one day, which begins at midnight UTC; more wait for the next.
    #[schemars(range(min = 1), extend("examples" = [5000]))]
    pub(crate) daily_tasks: Option<u32>,
    /// What these may cost, set aside and spent; more wait for the next day.
    #[schemars(extend("examples" = ["100"]))]
    pub(crate) daily_spend: Option<AmountText>,
}

/// The schema of [`OnUnknown`], which knows nothing of schemas.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
#[expect(dead_code, reason = "only the schema of it is used")]
enum OnUnknownText {
    Hold,
    Release,
    Resubmit,
}
