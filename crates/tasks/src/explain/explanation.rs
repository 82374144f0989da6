//! What the operator is told about a request: plain data, the same on the command line and over the network.

use std::time::Duration;

use domain::{AccountName, Failure, FailureKind, ModelSpec, Money};
use routing::{Rank, Reason, Rejection};
use schemars::JsonSchema;
use serde::Serialize;

use crate::operator::Amount;

/// What would become of a request.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Explanation {
    /// What is asked for, and what that is.
    pub model: ModelShown,
    /// What would happen now.
    pub outcome: Outcome,
    /// What the client would be told, if the request were refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
    /// Whether it is known how accounts do; they are taken to be well otherwise.
    pub conditions_are_live: bool,
    /// The order.
    pub strategy: Decided<&'static str>,
    /// What the task may cost at most, over all attempts that may have to be paid; absent if there is no bound.
    #[schemars(with = "Option<Decided<Amount>>")]
    pub price_max: Option<Decided<Money>>,
    /// Submissions at most; absent if the bound of all tasks holds.
    pub attempts_max: Option<u32>,
    /// Whether another account is asked when one refuses the content.
    pub policy_failover: bool,
    /// What request and key want of accounts, in the words of the request's header; empty if nothing.
    pub preference: String,
    /// Whose turn it is, where each account has its turn.
    pub turn: u64,
    /// Whose chance it is, as it was asked; each task has its own, which nobody knows before it is made.
    pub seed: Option<String>,
    /// What would be set aside at accept.
    #[schemars(with = "Option<Amount>")]
    pub reserved: Option<Money>,
    /// Who would be tried, in order.
    pub candidates: Vec<Considered>,
    /// Who would not be.
    pub rejected: Vec<LeftOut>,
}

/// The model of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ModelShown {
    /// As it was asked for; absent if the scope's default serves.
    pub asked: Option<String>,
    /// The public model that this is.
    pub name: String,
    /// The model whose route serves it: itself, or the one that replaces it.
    pub route: String,
    /// Whether the operator wants clients to leave it.
    pub deprecated: bool,
    /// The model to use in its place.
    pub replaced_by: Option<String>,
}

/// What would happen to a request now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is submitted to the first of the candidates that takes it.
    Tried,
    /// It is accepted, and waits until an account may be tried.
    Waits,
    /// It is accepted, and fails: no account can express it.
    Fails,
    /// It is not accepted.
    Refused,
}

/// What a client is told whose request is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Refused {
    /// The class of the failure.
    #[schemars(with = "String")]
    pub code: FailureKind,
    /// The sentence.
    pub message: String,
}

/// Something with the one who decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Decided<T> {
    /// What.
    pub value: T,
    /// Who.
    pub by: By,
}

/// Who may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The request.
    Request,
    /// The rules of its key.
    Key,
    /// The route of the model.
    Route,
}

impl By {
    /// As it stands in a sentence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Key => "key",
            Self::Route => "route",
        }
    }
}

/// A way to serve the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Way {
    /// The account.
    #[schemars(with = "String")]
    pub account: AccountName,
    /// Its provider; empty if the account is not configured.
    pub provider: String,
    /// The provider's own name of the model.
    pub upstream_model: String,
    /// Whether the account is one at the maker of the model.
    pub official: bool,
    /// Where it works.
    pub regions: Vec<String>,
    /// Lower ones are tried first.
    pub tier: u32,
    /// Its share of the work, where chance decides.
    pub weight: u32,
    /// What it costs; absent if that cannot be told.
    #[schemars(with = "Option<Amount>")]
    pub price: Option<Money>,
    /// How long it lately took to a result, in milliseconds; absent if nobody knows.
    pub time_to_result_ms: Option<u64>,
}

/// A way that would be tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Considered {
    /// Which.
    #[serde(flatten)]
    pub way: Way,
    /// Why it has its place.
    pub reason: String,
    /// What would be sent, as the text of an HTTP request, without what proves who we are.
    pub call: String,
}

/// A way that would not be tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LeftOut {
    /// Which.
    #[serde(flatten)]
    pub way: Way,
    /// The reason's name, for programs.
    pub code: &'static str,
    /// The reason.
    pub reason: String,
    /// When that passes, in milliseconds since the Unix epoch; absent if it does not, or if nobody knows.
    pub until_ms: Option<i64>,
}

impl ModelShown {
    pub(super) fn of(asked: Option<&str>, model: &ModelSpec, route: &str) -> Self {
        Self {
            asked: asked.map(str::to_owned),
            name: model.name.clone(),
            route: route.to_owned(),
            deprecated: model.deprecated,
            replaced_by: model.replaced_by.clone(),
        }
    }
}

impl Refused {
    pub(super) fn of(failure: &Failure) -> Self {
        Self { code: failure.kind, message: failure.public.clone() }
    }
}

impl LeftOut {
    pub(super) fn of(way: Way, why: &Rejection) -> Self {
        let until_ms = why.until().map(domain::Timestamp::as_millis);
        Self { way, code: code(why), reason: why.to_string(), until_ms }
    }
}

fn code(why: &Rejection) -> &'static str {
    match why {
        Rejection::OtherBasis => "other_basis",
        Rejection::NotOfficial => "not_official",
        Rejection::NotAllowed => "not_allowed",
        Rejection::OtherRegion { .. } => "other_region",
        Rejection::NoPrice => "no_price",
        Rejection::NotQuoted => "not_quoted",
        Rejection::TooExpensive { .. } => "too_expensive",
        Rejection::Incapable(_) => "incapable",
        Rejection::Ejected { .. } => "ejected",
        Rejection::Out { .. } => "out",
        Rejection::Paused { .. } => "paused",
        Rejection::Drained => "drained",
        Rejection::Full => "full",
    }
}

/// Why a candidate has its place, in words: what is unusual about it, and what its strategy looked at.
pub(super) fn reason(reason: &Reason) -> String {
    let rank = match reason.rank {
        Rank::Place(place) => format!("number {} of the route", place + 1),
        Rank::Chance { weight, .. } => format!("by chance, with the weight {weight}"),
        Rank::Price(Some(price)) => format!("costs {price}"),
        Rank::Price(None) => "its price is not known".to_owned(),
        Rank::Time(Some(time)) => format!("took {:.1} s to a result lately", time.as_secs_f64()),
        Rank::Time(None) => "its time to a result is not known yet".to_owned(),
        Rank::Trial => "its turn to be tried: its time to a result is not known yet".to_owned(),
        Rank::Turn(0) => "it has its turn".to_owned(),
        Rank::Turn(turns) => format!("its turn comes after {turns} more"),
    };
    let unusual = [
        (reason.last_resort, "a last resort: it fails, as too many others do"),
        (reason.is_slowed, "lets others go first: it has just recovered"),
    ];
    let unusual = unusual.into_iter().filter(|(holds, _)| *holds).map(|(_, text)| text.to_owned());
    unusual.chain([rank]).collect::<Vec<_>>().join("; ")
}

/// In whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
