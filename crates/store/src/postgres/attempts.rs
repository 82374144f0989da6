//! Attempts as they are written. They are added and their outcomes change; what was decided before a submission never does.

use std::borrow::Cow;

use tokio_postgres::types::ToSql;

use super::failure::{Failure, failed};
use super::rows::AttemptRow;
use super::text::storable;
use crate::StoreError;

/// In the order of their numbers, because an attempt may only be live once the one before it is not.
pub(super) const STORE: &str = "INSERT INTO attempts
        (task_id, number, account, account_version, provider, upstream_model, intended_at, outcome, is_live, handle)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                         $8::text[], $9::boolean[], $10::text[])
    ON CONFLICT (task_id, number) DO UPDATE
        SET outcome = excluded.outcome, is_live = excluded.is_live, handle = COALESCE(excluded.handle, attempts.handle)
        WHERE attempts.outcome <> excluded.outcome";

/// Attempts by column.
#[derive(Debug, Default)]
pub(super) struct Columns<'a> {
    tasks: Vec<&'a str>,
    numbers: Vec<i64>,
    accounts: Vec<&'a str>,
    account_versions: Vec<&'a str>,
    providers: Vec<&'a str>,
    upstream_models: Vec<Cow<'a, str>>,
    intended: Vec<i64>,
    outcomes: Vec<&'a str>,
    are_live: Vec<bool>,
    handles: Vec<Option<Cow<'a, str>>>,
}

impl<'a> Columns<'a> {
    /// Adds those of a task.
    pub(super) fn add(&mut self, task: &'a str, attempts: &'a [AttemptRow]) {
        for attempt in attempts {
            self.tasks.push(task);
            self.numbers.push(attempt.number.into());
            self.accounts.push(&attempt.account);
            self.account_versions.push(&attempt.account_version);
            self.providers.push(&attempt.provider);
            self.upstream_models.push(storable(&attempt.upstream_model));
            self.intended.push(attempt.intended_at);
            self.outcomes.push(&attempt.outcome);
            self.are_live.push(attempt.is_live);
            self.handles.push(attempt.handle.as_deref().map(storable));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// For [`STORE`].
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 10] {
        [
            &self.tasks,
            &self.numbers,
            &self.accounts,
            &self.account_versions,
            &self.providers,
            &self.upstream_models,
            &self.intended,
            &self.outcomes,
            &self.are_live,
            &self.handles,
        ]
    }
}

/// What a refusal of [`STORE`] says.
pub(super) fn refused(failure: Failure) -> StoreError {
    match failure.violated() {
        Some("attempts_handle") => StoreError::HandleTaken,
        Some("attempts_live") => StoreError::SecondLiveAttempt,
        _ => failed("storing an attempt")(failure),
    }
}
