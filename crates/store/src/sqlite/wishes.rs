//! What owners ask for besides making and reading tasks: lists, an end, to be forgotten.

use domain::{OwnerId, Task, TaskId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::failed;
use super::rows::TaskRow;
use crate::{ListTasks, StoreError};

const NEWEST: &str =
    "SELECT id, owner, dialect, request, state_data, created_at, deadline_at, quote, version FROM tasks
    WHERE owner = ?1 AND forgotten_at IS NULL AND (?2 IS NULL OR scope = ?2)
      AND (created_at, id) < (COALESCE(?3, 9223372036854775807), COALESCE(?4, ''))
    ORDER BY created_at DESC, id DESC LIMIT ?5";
const OLDEST: &str =
    "SELECT id, owner, dialect, request, state_data, created_at, deadline_at, quote, version FROM tasks
    WHERE owner = ?1 AND forgotten_at IS NULL AND (?2 IS NULL OR scope = ?2)
      AND (created_at, id) > (COALESCE(?3, -9223372036854775807), COALESCE(?4, ''))
    ORDER BY created_at, id LIMIT ?5";

/// Some of the owner's tasks. After a task that is not the owner's there are none.
pub(super) fn list(
    connection: &Connection,
    owner: &OwnerId,
    wanted: &ListTasks,
) -> Result<Vec<Task>, StoreError> {
    let after = match &wanted.after {
        Some(id) => match moment(connection, owner, id).map_err(failed("reading a task"))? {
            Some(moment) => Some((moment, id.as_str())),
            None => return Ok(Vec::new()),
        },
        None => None,
    };
    let sql = if wanted.ascending { OLDEST } else { NEWEST };
    let read = || {
        let mut statement = connection.prepare_cached(sql)?;
        let values = params![
            owner.as_str(),
            wanted.scope.map(domain::Scope::as_str),
            after.map(|(moment, _)| moment),
            after.map(|(_, id)| id),
            i64::try_from(wanted.limit).unwrap_or(i64::MAX),
        ];
        statement.query_map(values, TaskRow::read)?.collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = read().map_err(failed("listing tasks"))?;
    rows.into_iter().map(|row| row.with_attempts(connection)?.decode()).collect()
}

fn moment(connection: &Connection, owner: &OwnerId, id: &TaskId) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT created_at FROM tasks WHERE id = ?1 AND owner = ?2 AND forgotten_at IS NULL";
    let read = |row: &Row<'_>| row.get(0);
    connection.prepare_cached(sql)?.query_row([id.as_str(), owner.as_str()], read).optional()
}

/// Notes the wish, and makes the task due at once unless somebody holds it. Whether the task is live.
pub(super) fn request_cancel(
    connection: &Connection,
    id: &TaskId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE tasks SET cancel_requested_at = COALESCE(cancel_requested_at, ?2),
                                due_at = CASE WHEN lease_holder IS NULL THEN MIN(due_at, ?2) ELSE due_at END
               WHERE id = ?1 AND due_at IS NOT NULL";
    let update = || connection.prepare_cached(sql)?.execute(params![id.as_str(), now.as_millis()]);
    Ok(update().map_err(failed("noting a wish to cancel"))? == 1)
}

/// Makes a live task due `now` unless somebody holds it. Whether there is one.
pub(super) fn make_due(connection: &Connection, id: &TaskId, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "UPDATE tasks SET due_at = CASE WHEN lease_holder IS NULL THEN MIN(due_at, ?2) ELSE due_at END
               WHERE id = ?1 AND due_at IS NOT NULL";
    let update = || connection.prepare_cached(sql)?.execute(params![id.as_str(), now.as_millis()]);
    Ok(update().map_err(failed("making a task due"))? == 1)
}

/// Forgets an ended task. Whether there was one.
pub(super) fn forget(connection: &Connection, id: &TaskId, now: Timestamp) -> Result<bool, StoreError> {
    let sql =
        "UPDATE tasks SET forgotten_at = ?2 WHERE id = ?1 AND ended_at IS NOT NULL AND forgotten_at IS NULL";
    let update = || connection.prepare_cached(sql)?.execute(params![id.as_str(), now.as_millis()]);
    Ok(update().map_err(failed("forgetting a task"))? == 1)
}

#[cfg(test)]
mod tests {
    use super::super::query_plan;
    use super::*;

    #[test]
    fn a_list_reads_only_its_owners_tasks() {
        for sql in [NEWEST, OLDEST] {
            let plan = query_plan::of(sql);
            assert!(plan[0].contains("USING INDEX tasks_of_owner"), "{plan:?}");
            assert_eq!(plan.len(), 1, "nothing is sorted: {plan:?}");
        }
    }
}
