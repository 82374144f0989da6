//! Between rows and the domain. Rows are made and read on the caller's thread, so that the writer only runs SQL.

use domain::{
    AccountName, Attempt, AttemptOutcome, Money, NewAttempt, OwnerId, Quote, Task, TaskId, TaskState,
    Timestamp,
};
use rusqlite::{Connection, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::failed;
use super::ledger::{self, Entry};
use crate::StoreError;

pub(super) const ATTEMPTS: &str =
    "SELECT number, account, account_version, provider, upstream_model, intended_at, outcome, is_live
                                   FROM attempts WHERE task_id = ?1 ORDER BY number";

/// What is written of a task when it is made.
#[derive(Debug)]
pub(super) struct NewRow {
    pub(super) id: String,
    pub(super) owner: String,
    pub(super) dialect: String,
    pub(super) scope: &'static str,
    pub(super) model: String,
    pub(super) request: String,
    pub(super) created_at: i64,
    pub(super) deadline_at: i64,
    /// JSON; absent if it is free.
    pub(super) quote: Option<String>,
    pub(super) reserved: Money,
    pub(super) reserve: Option<Entry>,
    pub(super) change: ChangeRow,
}

/// What is written of a task whenever it changes.
#[derive(Debug)]
pub(super) struct ChangeRow {
    pub(super) state: &'static str,
    pub(super) state_data: String,
    pub(super) ended_at: Option<i64>,
    pub(super) version: u64,
    pub(super) attempts: Vec<AttemptRow>,
    /// The numbers of those attempts that nobody has to pay for.
    pub(super) unpaid: Vec<u32>,
}

/// What is read of a task.
#[derive(Debug)]
pub(super) struct TaskRow {
    id: String,
    owner: String,
    dialect: String,
    request: String,
    state_data: String,
    created_at: i64,
    deadline_at: i64,
    quote: Option<String>,
    version: u64,
    attempts: Vec<AttemptRow>,
}

/// An attempt as it is written and read.
#[derive(Debug)]
pub(super) struct AttemptRow {
    pub(super) number: u32,
    pub(super) account: String,
    pub(super) account_version: String,
    pub(super) provider: String,
    pub(super) upstream_model: String,
    pub(super) intended_at: i64,
    pub(super) outcome: String,
    pub(super) is_live: bool,
    /// The upstream's own id of the task, where it is this attempt's alone.
    pub(super) handle: Option<String>,
}

impl NewRow {
    pub(super) fn encode(task: &Task) -> Result<Self, StoreError> {
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
            reserve: ledger::reserve(task),
            change: ChangeRow::encode(task)?,
        })
    }
}

impl ChangeRow {
    pub(super) fn encode(task: &Task) -> Result<Self, StoreError> {
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
    /// Reads a row that has the columns of the same names, without its attempts.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            owner: row.get("owner")?,
            dialect: row.get("dialect")?,
            request: row.get("request")?,
            state_data: row.get("state_data")?,
            created_at: row.get("created_at")?,
            deadline_at: row.get("deadline_at")?,
            quote: row.get("quote")?,
            version: row.get("version")?,
            attempts: Vec::new(),
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Adds the task's attempts; to be called in the transaction that read the row.
    pub(super) fn with_attempts(mut self, connection: &Connection) -> Result<Self, StoreError> {
        let read = || {
            let mut statement = connection.prepare_cached(ATTEMPTS)?;
            statement.query_map([&self.id], AttemptRow::read)?.collect::<rusqlite::Result<_>>()
        };
        self.attempts = read().map_err(failed("reading attempts"))?;
        Ok(self)
    }

    pub(super) fn decode(self) -> Result<Task, StoreError> {
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

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get("number")?,
            account: row.get("account")?,
            account_version: row.get("account_version")?,
            provider: row.get("provider")?,
            upstream_model: row.get("upstream_model")?,
            intended_at: row.get("intended_at")?,
            outcome: row.get("outcome")?,
            is_live: row.get("is_live")?,
            handle: None,
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

pub(super) fn encode_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Backend { operation: "encoding a task", source: Box::new(error) })
}

pub(super) fn decode_json<T: DeserializeOwned>(task: &str, what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("{what} of task {task}: {error}")))
}
