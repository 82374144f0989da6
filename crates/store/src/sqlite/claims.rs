//! Taking due tasks and giving them back. A task's `due_at` is the moment from which it may be claimed: when it is next
//! due, or while it is claimed the end of its lease. So a lease that has run out needs no code of its own.

use std::time::Duration;

use domain::{OwnerId, TaskId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::failed;
use super::rows::TaskRow;
use crate::unreadable::ClaimedRow;
use crate::{CrashingTask, StoreError};

/// All but those that cannot be read: a JSON array of their versions and ids.
const DUE: &str = "SELECT id, owner, dialect, request, state_data, created_at, deadline_at, quote, version
                   FROM tasks WHERE due_at <= ?1 AND version || ' ' || id NOT IN (SELECT value FROM json_each(?3))
                   ORDER BY due_at LIMIT ?2";
const NEXT_DUE: &str = "SELECT due_at FROM tasks WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1";
const NEXT_READABLE: &str = "SELECT due_at FROM tasks
                   WHERE due_at IS NOT NULL AND version || ' ' || id NOT IN (SELECT value FROM json_each(?1))
                   ORDER BY due_at LIMIT 1";
/// Of those that crash, the worst first.
const CRASHING: &str = "SELECT id, owner, model, state, crashes, deadline_at FROM tasks
                        WHERE crashes > 0 AND crashes >= ?1 AND due_at IS NOT NULL ORDER BY crashes DESC LIMIT ?2";
const END_ALL: &str = "UPDATE tasks SET lease_holder = NULL, due_at = ?1, crashes = crashes + 1
                       WHERE due_at IS NOT NULL AND lease_holder IS NOT NULL";

/// Claims up to `max` tasks that are due and not of `unreadable`, oldest due first, until `lease` has passed.
pub(super) fn claim_due(
    connection: &Connection,
    (holder, lease): (&str, Duration),
    max: usize,
    unreadable: &[String],
    now: Timestamp,
) -> Result<Vec<ClaimedRow>, StoreError> {
    let lease_ends_at = now.plus(lease).as_millis();
    let mut claimed = Vec::new();
    for row in due(connection, max, unreadable, now).map_err(failed("reading due tasks"))? {
        let (epoch, cancel_requested, crashes) =
            take(connection, row.id(), holder, lease_ends_at).map_err(failed("claiming a task"))?;
        let task = row.with_attempts(connection)?;
        claimed.push(ClaimedRow { task, epoch, cancel_requested, crashes });
    }
    Ok(claimed)
}

fn due(
    connection: &Connection,
    max: usize,
    unreadable: &[String],
    now: Timestamp,
) -> rusqlite::Result<Vec<TaskRow>> {
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(DUE)?;
    statement.query_map(params![now.as_millis(), max, json(unreadable)], TaskRow::read)?.collect()
}

fn json(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}

/// The epoch of the claim, whether the task shall stop, and how many claims before have lapsed in a row.
fn take(
    connection: &Connection,
    id: &str,
    holder: &str,
    lease_ends_at: i64,
) -> rusqlite::Result<(u64, bool, u32)> {
    let sql = "UPDATE tasks SET crashes = crashes + (lease_holder IS NOT NULL), lease_holder = ?2,
                                lease_epoch = lease_epoch + 1, due_at = ?3
               WHERE id = ?1 RETURNING lease_epoch, cancel_requested_at IS NOT NULL, crashes";
    connection
        .prepare_cached(sql)?
        .query_row(params![id, holder, lease_ends_at], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// What the end of a claim says of the crashes before it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reckoning {
    /// Nothing was amiss: the row of crashes is over.
    Over,
    /// No step was taken.
    Same,
    /// The step crashed, too.
    OneMore,
}

/// Ends those of `claims` that are still held; their tasks are due at `due_at`.
pub(super) fn give_back(
    connection: &Connection,
    claims: &[(TaskId, u64)],
    due_at: Timestamp,
    reckoning: Reckoning,
) -> Result<(), StoreError> {
    let sql = "UPDATE tasks SET lease_holder = NULL, due_at = ?3, crashes = crashes * ?4 + ?5
               WHERE id = ?1 AND lease_epoch = ?2 AND lease_holder IS NOT NULL";
    let (times, plus) = match reckoning {
        Reckoning::Over => (0, 0),
        Reckoning::Same => (1, 0),
        Reckoning::OneMore => (1, 1),
    };
    let release = |(id, epoch): &(TaskId, u64)| {
        let values = params![id.as_str(), epoch, due_at.as_millis(), times, plus];
        connection.prepare_cached(sql)?.execute(values)
    };
    claims.iter().try_for_each(|claim| release(claim).map(|_| ())).map_err(failed("releasing tasks"))
}

/// Ends all claims; their tasks are due `now`. Only for who is sure that every holder is dead.
pub(super) fn end_all(connection: &Connection, now: Timestamp) -> Result<usize, StoreError> {
    connection.execute(END_ALL, [now.as_millis()]).map_err(failed("ending leases"))
}

/// Up to `max` live tasks that have crashed at least `crashes_min` times in a row, the worst first.
pub(super) fn crashing(
    connection: &Connection,
    crashes_min: u32,
    max: usize,
) -> Result<Vec<CrashingTask>, StoreError> {
    let task = |row: &Row<'_>| {
        Ok(CrashingTask {
            task: TaskId::new(row.get::<_, String>("id")?),
            owner: OwnerId::new(row.get::<_, String>("owner")?),
            model: row.get("model")?,
            state: row.get("state")?,
            crashes: row.get("crashes")?,
            deadline_at: Timestamp::from_millis(row.get("deadline_at")?),
        })
    };
    let read = || {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let mut statement = connection.prepare_cached(CRASHING)?;
        statement.query_map(params![crashes_min, max], task)?.collect::<rusqlite::Result<_>>()
    };
    read().map_err(failed("listing tasks that crash"))
}

/// Forgets the crashes of a live task, and makes it due `now` unless somebody holds it. Whether there was one.
pub(super) fn pardon(connection: &Connection, id: &TaskId, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "UPDATE tasks SET crashes = 0,
                                due_at = CASE WHEN lease_holder IS NULL THEN MIN(due_at, ?2) ELSE due_at END
               WHERE id = ?1 AND due_at IS NOT NULL AND crashes > 0";
    let update = || connection.prepare_cached(sql)?.execute(params![id.as_str(), now.as_millis()]);
    Ok(update().map_err(failed("forgetting crashes"))? == 1)
}

/// Until the next task may be claimed that is not of `unreadable`.
pub(super) fn next_due_in(
    connection: &Connection,
    unreadable: &[String],
    now: Timestamp,
) -> Result<Option<Duration>, StoreError> {
    let read = || {
        let due_at = |row: &Row<'_>| row.get(0);
        if unreadable.is_empty() {
            return connection.prepare_cached(NEXT_DUE)?.query_row([], due_at).optional();
        }
        connection.prepare_cached(NEXT_READABLE)?.query_row([json(unreadable)], due_at).optional()
    };
    let due_at = read().map_err(failed("reading the next due time"))?;
    Ok(due_at.map(|due_at| Timestamp::from_millis(due_at).since(now)))
}

#[cfg(test)]
mod tests {
    use super::super::{query_plan, tasks};
    use super::*;

    #[test]
    fn ended_tasks_cost_the_scheduler_nothing() {
        let plan = |sql: &str| query_plan::of(sql).remove(0);
        assert!(plan(CRASHING).contains("USING INDEX tasks_crashing"), "{}", plan(CRASHING));
        for sql in [DUE, NEXT_READABLE, END_ALL] {
            assert!(plan(sql).contains("USING INDEX tasks_live"), "{}", plan(sql));
        }
        for sql in [NEXT_DUE, tasks::LIVE_TASKS] {
            assert!(plan(sql).contains("USING COVERING INDEX tasks_live"), "{}", plan(sql));
        }
    }
}
