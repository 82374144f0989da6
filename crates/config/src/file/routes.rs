//! Routes as written.

use domain::Strategy;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::prices::{AmountText, PriceEntry};

/// The accounts of one model.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteEntry {
    /// The public name of a built-in model or of one of models.
    #[schemars(required, extend("examples" = ["studio-image"]))]
    pub(crate) model: Option<String>,
    /// The order in which accounts of one tier are tried, for requests and keys that do not say. priority: as listed;
    /// weighted: by chance, in proportion to the weights; cheapest: by price; fastest: by the time that results lately
    /// took; round_robin: each in its turn. Default: priority.
    #[schemars(with = "Option<StrategyText>", extend("examples" = ["cheapest"]))]
    pub(crate) strategy: Option<Strategy>,
    /// What one task may cost at most, over all attempts that may have to be paid. Accounts without a price are never used
    /// then. Default: no bound.
    #[schemars(extend("examples" = ["2"]))]
    pub(crate) price_max: Option<AmountText>,
    /// Submits of one task, over all accounts; at most tasks.attempts_max count. Default: tasks.attempts_max.
    #[schemars(range(min = 1), extend("examples" = [5]))]
    pub(crate) attempts_max: Option<u32>,
    /// Whether another account is asked when one refuses what a request is about. Default: false.
    #[schemars(extend("examples" = [true]))]
    pub(crate) policy_failover: Option<bool>,
    /// Names of accounts. Where one is to have a tier or a weight, another upstream model than usual or a price of its own
    /// here, a mapping of account, upstream_model, price, tier and weight.
    #[schemars(required, extend("examples" = [["main"]]))]
    pub(crate) accounts: Option<Vec<HopEntry>>,
}

/// One account of a route.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum HopEntry {
    /// The name of an account.
    Name(String),
    /// An account and a model.
    Full(HopFields),
}

/// An account of a route with what is special to it there.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HopFields {
    /// The name of an account.
    #[schemars(required)]
    pub(crate) account: Option<String>,
    /// The provider's own name of the model.
    pub(crate) upstream_model: Option<String>,
    /// For each result; or rules, of which the first that fits a request counts.
    pub(crate) price: Option<PriceEntry>,
    /// Accounts of a lower tier are tried first, whatever the strategy. Default: 1.
    pub(crate) tier: Option<u32>,
    /// Its share among the accounts of its tier, for the strategy weighted. Default: 1.
    #[schemars(range(min = 1))]
    pub(crate) weight: Option<u32>,
}

/// By hand, because serde's untagged enums forget where they were and what exactly did not fit.
impl<'de> Deserialize<'de> for HopEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HopVisitor)
    }
}

struct HopVisitor;

impl<'de> serde::de::Visitor<'de> for HopVisitor {
    type Value = HopEntry;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name of an account, or a mapping of account, upstream_model, price, tier and weight")
    }

    fn visit_str<E>(self, name: &str) -> Result<HopEntry, E> {
        Ok(HopEntry::Name(name.to_owned()))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<HopEntry, A::Error> {
        HopFields::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(HopEntry::Full)
    }
}

/// The schema of [`Strategy`], which knows nothing of schemas.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
#[expect(dead_code, reason = "only the schema of it is used")]
pub(super) enum StrategyText {
    Priority,
    Weighted,
    Cheapest,
    Fastest,
    RoundRobin,
}
