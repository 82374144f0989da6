//! What owners ask for besides making and reading tasks: lists, an end, to be forgotten.

use domain::{OwnerId, Scope, Task};

use super::failure::failed;
use super::rows::{attempt_columns, get, joined, limit, task_columns};
use super::session::Session;
use crate::rows::TaskRow;
use crate::{ListTasks, StoreError};

/// By age, with their attempts: what follows a moment in that order. Attempts are looked up by their key for each task
/// (`OFFSET 0` keeps them apart), however many tasks are thought to come.
macro_rules! list {
    ($follows:literal, $from:literal, $order:literal) => {
        concat!(
            "SELECT ",
            task_columns!(),
            ", ",
            attempt_columns!(),
            " FROM (SELECT * FROM tasks WHERE owner = $1 AND forgotten_at IS NULL
                      AND ($2::TEXT IS NULL OR scope = $2) AND (created_at, id) ",
            $follows,
            " (COALESCE($3::BIGINT, ",
            $from,
            "), COALESCE($4::TEXT, '')) ORDER BY created_at ",
            $order,
            ", id ",
            $order,
            " LIMIT $5) AS tasks
              LEFT JOIN LATERAL (SELECT * FROM attempts WHERE attempts.task_id = tasks.id OFFSET 0) AS attempts ON true
              ORDER BY tasks.created_at ",
            $order,
            ", tasks.id ",
            $order,
            ", attempts.number"
        )
    };
}
pub(super) const NEWEST: &str = list!("<", "9223372036854775807", "DESC");
const OLDEST: &str = list!(">", "-9223372036854775807", "ASC");
const MOMENT: &str = "SELECT created_at FROM tasks WHERE id = $1 AND owner = $2 AND forgotten_at IS NULL";
pub(super) const REQUEST_CANCEL: &str = "UPDATE tasks
    SET cancel_requested_at = COALESCE(cancel_requested_at, {now}),
        due_at = CASE WHEN lease_holder IS NULL THEN LEAST(due_at, {now}) ELSE due_at END
    WHERE id = $1 AND due_at IS NOT NULL";
pub(super) const MAKE_DUE: &str = "UPDATE tasks
    SET due_at = CASE WHEN lease_holder IS NULL THEN LEAST(due_at, {now}) ELSE due_at END
    WHERE id = $1 AND due_at IS NOT NULL";
pub(super) const FORGET: &str = "UPDATE tasks SET forgotten_at = {now}
    WHERE id = $1 AND ended_at IS NOT NULL AND forgotten_at IS NULL";

/// Some of the owner's tasks. After a task that is not the owner's there are none.
pub(super) async fn list(
    session: &Session,
    owner: &OwnerId,
    wanted: &ListTasks,
) -> Result<Vec<Task>, StoreError> {
    let after = wanted.after.as_ref().map(domain::TaskId::as_str);
    let moment: Option<i64> = match &after {
        None => None,
        Some(id) => {
            let row = session.first(MOMENT, [id, &owner.as_str()]).await.map_err(failed("reading a task"))?;
            let Some(row) = row else { return Ok(Vec::new()) };
            Some(get(&row, "created_at")?)
        }
    };
    let sql = if wanted.ascending { OLDEST } else { NEWEST };
    let scope = wanted.scope.map(Scope::as_str);
    let rows = session.query(sql, [&owner.as_str(), &scope, &moment, &after, &limit(wanted.limit)]).await;
    joined(&rows.map_err(failed("listing tasks"))?)?.into_iter().map(TaskRow::decode).collect()
}
