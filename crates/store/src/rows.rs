//! Between rows and the domain, for every back end. Rows are made and decoded on the caller's side of it.

use domain::{
    AccountName, Attempt, AttemptOutcome, Money, NewAttempt, OwnerId, Quote, Task, TaskId, TaskState,
    Timestamp,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;
use crate::entries::{self, Entry};

/// What is written of a task when it is made.
#[derive(Debug)]
pub(crate) struct NewRow {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) dialect: String,
    pub(crate) scope: &'static str,
    pub(crate) model: String,
    pub(crate) request: String,
    pub(crate) created_at: i64,
    pub(crate) deadline_at: i64,
    /// JSON; absent if it is free.
    pub(crate) quote: Option<String>,
    pub(crate) reserved: Money,
    pub(crate) reserve: Option<Entry>,
    pub(crate) change: ChangeRow,
}

/// What is written of a task whenever it changes.
#[derive(Debug)]
pub(crate) struct ChangeRow {
    pub(crate) state: &'static str,
    pub(crate) state_data: String,
    pub(crate) ended_at: Option<i64>,
    pub(crate) version: u64,
    pub(crate) attempts: Vec<AttemptRow>,
    /// The numbers of those attempts that nobody has to pay for.
    pub(crate) unpaid: Vec<u32>,
}

/// What is read of a task.
#[derive(Debug)]
pub(crate) struct TaskRow {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) dialect: String,
    pub(crate) request: String,
    pub(crate) state_data: String,
    pub(crate) created_at: i64,
    pub(crate) deadline_at: i64,
    pub(crate) quote: Option<String>,
    pub(crate) version: u64,
    pub(crate) attempts: Vec<AttemptRow>,
}

/// An attempt as it is written and read.
#[derive(Debug)]
pub(crate) struct AttemptRow {
    pub(crate) number: u32,
    pub(crate) account: String,
    pub(crate) account_version: String,
    pub(crate) provider: String,
    pub(crate) upstream_model: String,
    pub(crate) intended_at: i64,
    pub(crate) outcome: String,
    pub(crate) is_live: bool,
    /// The upstream's own id of the task, where it is this attempt's alone.
    pub(crate) handle: Option<String>,
}

impl NewRow {
    pub(crate) fn encode(task: &Task) -> Result<Self, StoreError> {
        Ok(Self {
            id: task.id.as_str().to_owned(),
            owner: task.owner.as_str().to_owned(),
            dialect: task.dialect.clone(),
            scope: task.request.scope.as_str(),
            model: task.request.model.clone(),
            request: encode_json(&task.request)?,
            created_at: task.created_at.as_millis(),
            deadline_at: task.deadline_at.as_millis(),
            quote: (task.quote != Quote::default()).then(|| encode_json(&task.quote)).transpose()?,
            reserved: task.quote.reserved,
            reserve: entries::reserve(task),
            change: ChangeRow::encode(task)?,
        })
    }
}

impl ChangeRow {
    pub(crate) fn encode(task: &Task) -> Result<Self, StoreError> {
        let unpaid = task.attempts.iter().filter(|attempt| !attempt.outcome.may_be_paid());
        Ok(Self {
            state: task.state.name(),
            state_data: encode_json(&task.state)?,
            ended_at: task.state.ended_at().map(Timestamp::as_millis),
            version: task.version,
            attempts: task
                .attempts
                .iter()
                .map(|attempt| AttemptRow::encode(task, attempt))
                .collect::<Result<_, _>>()?,
            unpaid: unpaid.map(|attempt| attempt.number).collect(),
        })
    }
}

impl TaskRow {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn decode(self) -> Result<Task, StoreError> {
        let state: TaskState = decode_json(&self.id, "state", &self.state_data)?;
        let request = decode_json(&self.id, "request", &self.request)?;
        let quote = self.quote.as_deref().map(|quote| decode_json(&self.id, "quote", quote)).transpose()?;
        let attempts = self.attempts.into_iter().map(|row| row.decode(&self.id)).collect::<Result<_, _>>()?;
        Ok(Task {
            id: TaskId::new(self.id),
            owner: OwnerId::new(self.owner),
            dialect: self.dialect,
            request,
            state,
            attempts,
            created_at: Timestamp::from_millis(self.created_at),
            deadline_at: Timestamp::from_millis(self.deadline_at),
            quote: quote.unwrap_or_default(),
            version: self.version,
        })
    }
}

impl AttemptRow {
    fn encode(task: &Task, attempt: &Attempt) -> Result<Self, StoreError> {
        // Some upstreams make a result from an earlier one under the same id.
        let earlier = task.request.basis.as_ref().map(|basis| basis.handle.as_str()).unwrap_or_default();
        let handle = match &attempt.outcome {
            AttemptOutcome::Accepted { handle, .. } if !handle.is_empty() && handle != earlier => {
                Some(handle.clone())
            }
            _ => None,
        };
        Ok(Self {
            handle,
            number: attempt.number,
            account: attempt.plan.account.as_str().to_owned(),
            account_version: attempt.plan.account_version.clone(),
            provider: attempt.plan.provider.clone(),
            upstream_model: attempt.plan.upstream_model.clone(),
            intended_at: attempt.intended_at.as_millis(),
            outcome: encode_json(&attempt.outcome)?,
            is_live: attempt.outcome.is_live(),
        })
    }

    fn decode(self, task: &str) -> Result<Attempt, StoreError> {
        Ok(Attempt {
            number: self.number,
            outcome: decode_json(task, "attempt", &self.outcome)?,
            plan: NewAttempt {
                account: AccountName::new(self.account),
                provider: self.provider,
                upstream_model: self.upstream_model,
                account_version: self.account_version,
            },
            intended_at: Timestamp::from_millis(self.intended_at),
        })
    }
}

pub(crate) fn encode_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Backend { operation: "encoding a task", source: Box::new(error) })
}

pub(crate) fn decode_json<T: DeserializeOwned>(task: &str, what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("{what} of task {task}: {error}")))
}
