//! What operators look at closely.

use async_trait::async_trait;
use domain::{Money, OwnerId, TaskId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows::TaskRow;
use super::{SqliteStore, books, deliveries, failed};
use crate::{Delivery, DeliveryState, Inspections, OwnerUse, StoreError, TaskFile};

const TASK: &str = "SELECT id, owner, dialect, request, state_data, created_at, deadline_at, quote, version,
                           due_at, crashes, cancel_requested_at, forgotten_at
                    FROM tasks WHERE id = ?1";

#[async_trait]
impl Inspections for SqliteStore {
    async fn task_file(&self, id: &TaskId) -> Result<Option<TaskFile>, StoreError> {
        let id = id.clone();
        self.scan(move |c| task_file(c, &id)).await
    }

    async fn delivery(&self, id: &str) -> Result<Option<Delivery>, StoreError> {
        self.read(|c| deliveries::by_id(c, id))
    }

    async fn deliveries_before(
        &self,
        state: DeliveryState,
        before: Option<&str>,
        max: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let before = before.map(str::to_owned);
        self.scan(move |c| deliveries::before(c, state, before.as_deref(), max)).await
    }

    async fn owner_use(&self, owners: &[OwnerId]) -> Result<Vec<OwnerUse>, StoreError> {
        let owners = owners.to_vec();
        self.scan(move |c| owners.iter().map(|owner| owner_use(c, owner)).collect()).await
    }
}

/// What a row of a task says besides the task.
struct Circumstances {
    row: TaskRow,
    due_at: Option<i64>,
    crashes: u32,
    cancel_requested_at: Option<i64>,
    forgotten_at: Option<i64>,
}

fn task_file(connection: &Connection, id: &TaskId) -> Result<Option<TaskFile>, StoreError> {
    let read = || {
        let mut statement = connection.prepare_cached(TASK)?;
        statement.query_row([id.as_str()], circumstances).optional()
    };
    let Some(found) = read().map_err(failed("reading a task"))? else { return Ok(None) };
    let moment = |at: Option<i64>| at.map(Timestamp::from_millis);
    Ok(Some(TaskFile {
        task: found.row.with_attempts(connection)?.decode()?,
        due_at: moment(found.due_at),
        crashes: found.crashes,
        cancel_requested_at: moment(found.cancel_requested_at),
        forgotten_at: moment(found.forgotten_at),
        ledger: books::of_task(connection, id)?,
        delivery: deliveries::of_task(connection, id)?,
    }))
}

fn circumstances(row: &Row<'_>) -> rusqlite::Result<Circumstances> {
    Ok(Circumstances {
        row: TaskRow::read(row)?,
        due_at: row.get("due_at")?,
        crashes: row.get("crashes")?,
        cancel_requested_at: row.get("cancel_requested_at")?,
        forgotten_at: row.get("forgotten_at")?,
    })
}

fn owner_use(connection: &Connection, owner: &OwnerId) -> Result<OwnerUse, StoreError> {
    let sql = "SELECT live_tasks, committed FROM owners WHERE owner = ?1";
    let of_row = |row: &Row<'_>| {
        Ok(OwnerUse { live_tasks: row.get(0)?, committed: Money::from_billionths(row.get(1)?) })
    };
    let read = || connection.prepare_cached(sql)?.query_row(params![owner.as_str()], of_row).optional();
    Ok(read().map_err(failed("reading what an owner uses"))?.unwrap_or_default())
}
