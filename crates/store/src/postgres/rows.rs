//! Rows of PostgreSQL, read into those that all back ends share.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::failure::failed;
use super::session::Session;
use crate::StoreError;
pub(super) use crate::rows::{AttemptRow, TaskRow};

/// The columns that [`task`] reads. Statements name their columns: `*` would change under a prepared statement when a newer
/// program adds one.
macro_rules! task_columns {
    () => {
        "tasks.id, tasks.owner, tasks.dialect, tasks.request, tasks.state_data, tasks.created_at, tasks.deadline_at, \
         tasks.quote, tasks.version"
    };
}
pub(super) use task_columns;

/// The columns that [`joined`] reads besides, of `tasks LEFT JOIN attempts`: so a task and its attempts are of one moment.
macro_rules! attempt_columns {
    () => {
        "attempts.number, attempts.account, attempts.account_version, attempts.provider, attempts.upstream_model, \
         attempts.intended_at, attempts.outcome, attempts.is_live"
    };
}
pub(super) use attempt_columns;

const ATTEMPTS: &str = "SELECT task_id, number, account, account_version, provider, upstream_model, intended_at, outcome, is_live
    FROM attempts WHERE task_id = ANY($1) ORDER BY task_id, number";

/// The value of that column.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, StoreError> {
    row.try_get(column).map_err(|error| StoreError::Corrupt(format!("column {column}: {error}")))
}

/// A count or a number that is never negative.
pub(super) fn unsigned<T: TryFrom<i64>>(row: &Row, column: &str) -> Result<T, StoreError> {
    let number: i64 = get(row, column)?;
    T::try_from(number).map_err(|_| StoreError::Corrupt(format!("column {column}: {number}")))
}

/// As a column holds it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A bound of how many rows are wanted.
pub(super) fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

/// Reads a row that has [`task_columns!`], without its attempts.
pub(super) fn task(row: &Row) -> Result<TaskRow, StoreError> {
    Ok(TaskRow {
        id: get(row, "id")?,
        owner: get(row, "owner")?,
        dialect: get(row, "dialect")?,
        request: get(row, "request")?,
        state_data: get(row, "state_data")?,
        created_at: get(row, "created_at")?,
        deadline_at: get(row, "deadline_at")?,
        quote: get(row, "quote")?,
        version: unsigned(row, "version")?,
        attempts: Vec::new(),
    })
}

/// Reads rows that have [`task_columns!`] and [`attempt_columns!`], those of a task after one another, by number.
pub(super) fn joined(rows: &[Row]) -> Result<Vec<TaskRow>, StoreError> {
    let mut tasks: Vec<TaskRow> = Vec::new();
    for row in rows {
        if tasks.last().is_none_or(|last| last.id() != get::<&str>(row, "id").unwrap_or_default()) {
            tasks.push(task(row)?);
        }
        let has_attempt = get::<Option<i64>>(row, "number")?.is_some();
        if let Some(last) = tasks.last_mut().filter(|_| has_attempt) {
            last.attempts.push(attempt(row)?);
        }
    }
    Ok(tasks)
}

/// Adds their attempts to rows of tasks that this transaction has locked, or whose claims are held.
pub(super) async fn with_attempts(
    session: &Session,
    mut tasks: Vec<TaskRow>,
) -> Result<Vec<TaskRow>, StoreError> {
    if tasks.is_empty() {
        return Ok(tasks);
    }
    let ids: Vec<&str> = tasks.iter().map(TaskRow::id).collect();
    let rows = session.query(ATTEMPTS, [&ids]).await.map_err(failed("reading attempts"))?;
    let mut attempts: std::collections::HashMap<String, Vec<AttemptRow>> = std::collections::HashMap::new();
    for row in &rows {
        attempts.entry(get(row, "task_id")?).or_default().push(attempt(row)?);
    }
    for task in &mut tasks {
        task.attempts = attempts.remove(task.id()).unwrap_or_default();
    }
    Ok(tasks)
}

fn attempt(row: &Row) -> Result<AttemptRow, StoreError> {
    Ok(AttemptRow {
        number: unsigned(row, "number")?,
        account: get(row, "account")?,
        account_version: get(row, "account_version")?,
        provider: get(row, "provider")?,
        upstream_model: get(row, "upstream_model")?,
        intended_at: get(row, "intended_at")?,
        outcome: get(row, "outcome")?,
        is_live: get(row, "is_live")?,
        handle: None,
    })
}
