//! One task as the operator sees it. What was asked for is the client's own affair: there is no prompt and no input in it.

use domain::{AttemptOutcome, FailureKind, Quote, Task, TaskState, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::schema::Amount;

/// A task without what its client asked for. All times are in milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TaskView {
    /// Its public id.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// The API that it was created through.
    pub dialect: String,
    /// The kind of result.
    pub scope: &'static str,
    /// The public model.
    pub model: String,
    /// What its client and its key want of accounts, in the words of the request's header; empty if nothing.
    pub preference: String,
    /// Where it stands.
    pub state: &'static str,
    /// What the upstream said, 0 to 99.
    pub percent: Option<u8>,
    /// Why it failed, if it did.
    pub failure: Option<FailureView>,
    /// When it was accepted.
    pub created_at_ms: i64,
    /// When an upstream first took it.
    pub started_at_ms: Option<i64>,
    /// When it ended.
    pub ended_at_ms: Option<i64>,
    /// When it ends at the latest.
    pub deadline_at_ms: i64,
    /// What it may cost.
    #[schemars(with = "QuoteShape")]
    pub quote: Quote,
    /// What it has cost, once it has ended and that is certain.
    #[schemars(with = "Option<Amount>")]
    pub spent: Option<String>,
    /// Submissions, oldest first.
    pub attempts: Vec<AttemptView>,
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FailureView {
    /// The class.
    #[schemars(with = "String")]
    pub code: FailureKind,
    /// What its client reads.
    pub message: String,
    /// What only the operator reads; an upstream's words may repeat parts of the prompt.
    pub internal: String,
}

/// A submission to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AttemptView {
    /// 1, 2, 3 ... within the task.
    pub number: u32,
    /// Where to.
    pub account: String,
    /// The account's version at that time: its address and credential; empty where it was not kept.
    pub account_version: String,
    /// The account's provider.
    pub provider: String,
    /// The provider's own name of the model.
    pub upstream_model: String,
    /// When the intent was stored.
    pub intended_at_ms: i64,
    /// What became of it: `intended`, `not_sent`, `rejected`, `unknown`, `accepted`, `failed` or `abandoned`.
    pub outcome: &'static str,
    /// Why; an upstream's words may repeat parts of the prompt.
    pub reason: Option<String>,
    /// The upstream's own id of the task.
    pub handle: Option<String>,
    /// When the upstream took it.
    pub accepted_at_ms: Option<i64>,
}

/// What a task may cost, frozen when it was accepted.
#[derive(JsonSchema)]
#[schemars(rename = "Quote")]
#[expect(dead_code, reason = "only the schema of it is used")]
struct QuoteShape {
    /// What was set aside: the highest of the prices.
    reserved: Amount,
    /// The price of each way to serve it; empty if nothing has a price.
    prices: Vec<QuotedPriceShape>,
}

/// What one way to serve a task costs.
#[derive(JsonSchema)]
#[schemars(rename = "QuotedPrice")]
#[expect(dead_code, reason = "only the schema of it is used")]
struct QuotedPriceShape {
    /// The account.
    account: String,
    /// The provider's own name of the model.
    upstream_model: String,
    /// What it costs.
    price: Amount,
}

impl TaskView {
    /// `task` as the operator sees it.
    pub(super) fn of(task: &Task) -> Self {
        let millis = |at: Timestamp| at.as_millis();
        let percent = match &task.state {
            TaskState::Running { percent, .. } => *percent,
            _ => None,
        };
        let failure = match &task.state {
            TaskState::Failed { failure, .. } => Some(FailureView {
                code: failure.kind,
                message: failure.public.clone(),
                internal: failure.internal.clone(),
            }),
            _ => None,
        };
        Self {
            id: task.id.to_string(),
            owner: task.owner.to_string(),
            dialect: task.dialect.clone(),
            scope: task.request.scope.as_str(),
            model: task.request.model.clone(),
            preference: task.request.preference.to_string(),
            state: task.state.name(),
            percent,
            failure,
            created_at_ms: task.created_at.as_millis(),
            started_at_ms: task.started_at().map(millis),
            ended_at_ms: task.state.ended_at().map(millis),
            deadline_at_ms: task.deadline_at.as_millis(),
            quote: task.quote.clone(),
            spent: task.settlement().map(|settlement| settlement.captured.to_string()),
            attempts: task.attempts.iter().map(AttemptView::of).collect(),
        }
    }
}

impl AttemptView {
    fn of(attempt: &domain::Attempt) -> Self {
        let (outcome, reason) = match &attempt.outcome {
            AttemptOutcome::Intended => ("intended", None),
            AttemptOutcome::NotSent { reason } => ("not_sent", Some(reason)),
            AttemptOutcome::Rejected { reason } => ("rejected", Some(reason)),
            AttemptOutcome::Unknown { reason } => ("unknown", Some(reason)),
            AttemptOutcome::Accepted { .. } => ("accepted", None),
            AttemptOutcome::Failed { reason } => ("failed", Some(reason)),
            AttemptOutcome::Abandoned { reason } => ("abandoned", Some(reason)),
        };
        let (handle, accepted_at) = match &attempt.outcome {
            AttemptOutcome::Accepted { handle, at } => (Some(handle.clone()), Some(*at)),
            _ => (None, None),
        };
        Self {
            number: attempt.number,
            account: attempt.plan.account.to_string(),
            account_version: attempt.plan.account_version.clone(),
            provider: attempt.plan.provider.clone(),
            upstream_model: attempt.plan.upstream_model.clone(),
            intended_at_ms: attempt.intended_at.as_millis(),
            outcome,
            reason: reason.cloned(),
            handle,
            accepted_at_ms: accepted_at.map(Timestamp::as_millis),
        }
    }
}
