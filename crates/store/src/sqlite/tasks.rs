//! Making, changing and reading tasks.

use std::time::Duration;

use domain::{AccountName, Money, OwnerId, Task, TaskId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows::{AttemptRow, ChangeRow, NewRow, TaskRow};
use super::{daily, failed, idempotency, is_unique_violation, ledger};
use crate::{Admission, LiveHolding, Next, StoreError, Terms};

pub(super) const LOAD: &str =
    "SELECT id, owner, dialect, request, state_data, created_at, deadline_at, quote, version
                               FROM tasks WHERE id = ?1 AND forgotten_at IS NULL";
pub(super) const LIVE_TASKS: &str =
    "SELECT state, COUNT(*) FROM tasks WHERE due_at IS NOT NULL GROUP BY state";
const LIVE_HOLDINGS: &str = "SELECT tasks.id, tasks.owner, tasks.model, attempts.account
     FROM tasks LEFT JOIN attempts ON attempts.task_id = tasks.id AND attempts.is_live = 1
     WHERE tasks.due_at IS NOT NULL";
/// Inserts a task that is due `now`, if its owner's terms allow it.
pub(super) fn create(
    connection: &Connection,
    task: &NewRow,
    terms: &Terms,
    now: Timestamp,
) -> Result<Admission, StoreError> {
    let key = terms.idempotency.as_ref().filter(|_| !failpoints::removed("idempotency_unique"));
    if let Some(key) = key
        && let Some(known) = idempotency::known(connection, &task.owner, key, now)?
    {
        return Ok(known);
    }
    if let Some(over) = daily::over(connection, &terms.daily, task.reserved, now)? {
        return Ok(Admission::OverDaily(over));
    }
    let taken = take_slot(connection, task, terms).map_err(failed("counting live tasks"))?;
    if !taken {
        return refusal(connection, &task.owner, terms).map_err(failed("counting live tasks"));
    }
    insert(connection, task, now).map_err(|error| match error {
        error if is_unique_violation(&error) => StoreError::Conflict(format!("task {}", task.id)),
        error => failed("storing a task")(error),
    })?;
    store_attempts(connection, &task.id, &task.change.attempts)?;
    if let Some(key) = key {
        idempotency::store(connection, (&task.owner, &task.id), key, now)?;
    }
    daily::count_task(connection, &task.id, &terms.daily, task.reserved, now)?;
    if let Some(reserve) = &task.reserve {
        ledger::append(connection, std::slice::from_ref(reserve), now)?;
    }
    Ok(Admission::Admitted)
}

/// Whether the owner had a free slot, and room in the budget; both are taken then. Check and change are one statement.
fn take_slot(connection: &Connection, task: &NewRow, terms: &Terms) -> rusqlite::Result<bool> {
    let sql = "INSERT INTO owners (owner, live_tasks, committed)
               SELECT ?1, 1, ?3 WHERE ?2 > 0 AND (?4 IS NULL OR ?3 = 0 OR ?3 <= ?4)
               ON CONFLICT (owner) DO UPDATE SET live_tasks = live_tasks + 1, committed = committed + ?3
               WHERE live_tasks < ?2 AND (?4 IS NULL OR ?3 = 0 OR committed + ?3 <= ?4)";
    let slots = if failpoints::removed("slot_in_transaction") { u32::MAX } else { terms.concurrent_tasks };
    let budget = terms.budget.filter(|_| !failpoints::removed("budget_condition"));
    let values = params![task.owner, slots, task.reserved.billionths(), budget.map(Money::billionths)];
    Ok(connection.prepare_cached(sql)?.execute(values)? == 1)
}

/// Why the owner may not have another task.
fn refusal(connection: &Connection, owner: &str, terms: &Terms) -> rusqlite::Result<Admission> {
    let mut statement =
        connection.prepare_cached("SELECT live_tasks, committed FROM owners WHERE owner = ?1")?;
    let read = statement.query_row([owner], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (live, committed) = read.unwrap_or((0, 0));
    if live >= terms.concurrent_tasks {
        return Ok(Admission::AtLimit { live });
    }
    let left = terms.budget.unwrap_or_default().checked_sub(Money::from_billionths(committed));
    Ok(Admission::OverBudget { left: left.unwrap_or_default() })
}

fn insert(connection: &Connection, task: &NewRow, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "INSERT INTO tasks (id, owner, dialect, scope, model, state, created_at, deadline_at, ended_at,
                                  version, due_at, lease_epoch, state_data, request,
                                  quote)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?12, ?13, ?14)";
    connection.prepare_cached(sql)?.execute(params![
        task.id,
        task.owner,
        task.dialect,
        task.scope,
        task.model,
        task.change.state,
        task.created_at,
        task.deadline_at,
        task.change.ended_at,
        task.change.version,
        now.as_millis(),
        task.change.state_data,
        task.request,
        task.quote,
    ])?;
    Ok(())
}

/// Attempts are added and their outcomes change; what was decided before a submission never does.
fn store_attempts(connection: &Connection, task: &str, attempts: &[AttemptRow]) -> Result<(), StoreError> {
    let sql = "INSERT INTO attempts (task_id, number, account, provider, upstream_model, intended_at, outcome, is_live,
                                     handle, account_version)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
               ON CONFLICT (task_id, number) DO UPDATE SET outcome = excluded.outcome, is_live = excluded.is_live,
                                                           handle = COALESCE(excluded.handle, handle)
               WHERE outcome <> excluded.outcome";
    let store = |attempt: &AttemptRow| {
        connection.prepare_cached(sql)?.execute(params![
            task,
            attempt.number,
            attempt.account,
            attempt.provider,
            attempt.upstream_model,
            attempt.intended_at,
            attempt.outcome,
            attempt.is_live,
            attempt.handle,
            attempt.account_version,
        ])
    };
    for attempt in attempts {
        store(attempt).map_err(|error| match error {
            error if is_unique_violation(&error) && error.to_string().contains("attempts.handle") => {
                StoreError::HandleTaken
            }
            error if is_unique_violation(&error) => StoreError::SecondLiveAttempt,
            error => failed("storing an attempt")(error),
        })?;
    }
    Ok(())
}

/// Writes `change` if the task is claimed with `epoch` and still has the version that `change` was made from.
/// An expired lease that nobody else has taken still counts: what its holder learned of an upstream must not be lost.
/// Returns the new version.
pub(super) fn advance(
    connection: &Connection,
    (id, epoch): (&str, u64),
    change: &ChangeRow,
    next: Next,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let (delay, keeps_claim) = match next {
        Next::Keep { lease } => (lease, true),
        Next::Due { after } => (after, false),
    };
    let due_at = due_at(change, now, delay);
    let keeps_claim = keeps_claim && due_at.is_some();
    let sql =
        "UPDATE tasks SET state = ?4, state_data = ?5, ended_at = ?6, version = version + 1, due_at = ?7,
                                lease_holder = CASE WHEN ?8 THEN lease_holder END,
                                crashes = CASE WHEN ?8 THEN crashes ELSE 0 END
               WHERE id = ?1 AND (version = ?2 AND lease_holder IS NOT NULL OR ?9) AND (lease_epoch = ?3 OR ?10)
               RETURNING owner, version";
    let update = || {
        let mut statement = connection.prepare_cached(sql)?;
        let values = params![
            id,
            change.version,
            epoch,
            change.state,
            change.state_data,
            change.ended_at,
            due_at,
            keeps_claim,
            failpoints::removed("end_compare_and_set"),
            failpoints::removed("lease_epoch"),
        ];
        statement.query_row(values, |row| Ok((row.get("owner")?, row.get("version")?))).optional()
    };
    let updated: Option<(String, u64)> = update().map_err(failed("changing a task"))?;
    let Some((owner, version)) = updated else { return Err(StoreError::Stale) };
    store_attempts(connection, id, &change.attempts)?;
    daily::give_back_unpaid(connection, id, change)?;
    if change.ended_at.is_some() {
        give_slot_back(connection, &owner).map_err(failed("counting live tasks"))?;
    }
    Ok(version)
}

fn due_at(change: &ChangeRow, now: Timestamp, delay: Duration) -> Option<i64> {
    change.ended_at.is_none().then(|| now.plus(delay).as_millis())
}

fn give_slot_back(connection: &Connection, owner: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE owners SET live_tasks = live_tasks - 1 WHERE owner = ?1";
    connection.prepare_cached(sql)?.execute([owner])?;
    Ok(())
}

/// The task of that id.
pub(super) fn load(connection: &Connection, id: &TaskId) -> Result<Option<Task>, StoreError> {
    let read = || {
        let mut statement = connection.prepare_cached(LOAD)?;
        statement.query_row([id.as_str()], TaskRow::read).optional()
    };
    match read().map_err(failed("reading a task"))? {
        Some(row) => row.with_attempts(connection)?.decode().map(Some),
        None => Ok(None),
    }
}

/// All live tasks, with the accounts that may be at work on them.
pub(super) fn live_holdings(connection: &Connection) -> Result<Vec<LiveHolding>, StoreError> {
    let holding = |row: &Row<'_>| {
        Ok(LiveHolding {
            task: TaskId::new(row.get::<_, String>(0)?),
            owner: OwnerId::new(row.get::<_, String>(1)?),
            model: row.get(2)?,
            account: row.get::<_, Option<String>>(3)?.map(AccountName::new),
        })
    };
    let read = || {
        let mut statement = connection.prepare_cached(LIVE_HOLDINGS)?;
        statement.query_map([], holding)?.collect::<rusqlite::Result<_>>()
    };
    read().map_err(failed("reading live tasks"))
}

/// How many tasks are live, by state name.
pub(super) fn live_tasks(connection: &Connection) -> Result<Vec<(String, u64)>, StoreError> {
    let read = || {
        let mut statement = connection.prepare_cached(LIVE_TASKS)?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()
    };
    read().map_err(failed("counting live tasks"))
}

#[cfg(test)]
mod tests {
    use super::super::query_plan;
    use super::*;

    #[test]
    fn live_tasks_are_found_without_reading_the_ended_ones() {
        for sql in [LIVE_HOLDINGS, LIVE_TASKS] {
            let plan = query_plan::of(sql);
            let is_indexed =
                |step: &String| step.contains("INDEX tasks_live") || step.contains("INDEX attempts_live");
            let reads = plan.iter().filter(|step| step.starts_with("SCAN") || step.starts_with("SEARCH"));
            assert!(reads.clone().count() > 0 && reads.clone().all(is_indexed), "{plan:?}");
        }
    }
}
