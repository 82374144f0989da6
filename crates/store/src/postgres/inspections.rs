//! What operators look at closely.

use std::collections::HashMap;

use async_trait::async_trait;
use domain::{Money, OwnerId, TaskId, Timestamp};
use tokio_postgres::Row;

use super::deliveries::{delivery, delivery_columns};
use super::failure::failed;
use super::rows::{TaskRow, get, limit, task, task_columns, unsigned, with_attempts};
use super::{PostgresStore, books, operations};
use crate::{Delivery, DeliveryState, Inspections, OwnerUse, StoreError, TaskFile};

const TASK: &str = concat!(
    "SELECT ",
    task_columns!(),
    ", due_at, crashes, cancel_requested_at, forgotten_at FROM tasks WHERE id = $1"
);
const DELIVERY: &str = concat!("SELECT ", delivery_columns!(), " FROM deliveries WHERE id = $1");
const DELIVERIES_BEFORE: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM deliveries WHERE state = $1 AND ($2::TEXT IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"
);
const OWNERS: &str = "SELECT owner, live_tasks, committed FROM owners WHERE owner = ANY($1)";

#[async_trait]
impl Inspections for PostgresStore {
    async fn task_file(&self, id: &TaskId) -> Result<Option<TaskFile>, StoreError> {
        let session = self.pool.session().await?;
        let row = session.first(TASK, [&id.as_str()]).await.map_err(failed("reading a task"))?;
        let Some(row) = row else { return Ok(None) };
        let tasks = with_attempts(&session, vec![task(&row)?]).await?;
        let mut tasks = tasks.into_iter().map(TaskRow::decode).collect::<Result<Vec<_>, _>>()?;
        let Some(task) = tasks.pop() else { return Ok(None) };
        Ok(Some(TaskFile {
            task,
            due_at: moment(&row, "due_at")?,
            crashes: unsigned(&row, "crashes")?,
            cancel_requested_at: moment(&row, "cancel_requested_at")?,
            forgotten_at: moment(&row, "forgotten_at")?,
            ledger: books::of_task(&session, id).await?,
            delivery: operations::of_task(&session, id).await?,
        }))
    }

    async fn delivery(&self, id: &str) -> Result<Option<Delivery>, StoreError> {
        let session = self.pool.session().await?;
        let row = session.first(DELIVERY, [&id]).await.map_err(failed("reading a delivery"))?;
        row.as_ref().map(delivery).transpose()
    }

    async fn deliveries_before(
        &self,
        state: DeliveryState,
        before: Option<&str>,
        max: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let session = self.pool.session().await?;
        let rows = session.query(DELIVERIES_BEFORE, [&state.as_str(), &before, &limit(max)]).await;
        rows.map_err(failed("listing deliveries"))?.iter().map(delivery).collect()
    }

    async fn owner_use(&self, owners: &[OwnerId]) -> Result<Vec<OwnerUse>, StoreError> {
        let names: Vec<&str> = owners.iter().map(OwnerId::as_str).collect();
        let session = self.pool.session().await?;
        let rows = session.query(OWNERS, [&names]).await.map_err(failed("reading what owners use"))?;
        let used = rows.iter().map(|row| Ok((get(row, "owner")?, owner_use(row)?)));
        let used = used.collect::<Result<HashMap<&str, OwnerUse>, StoreError>>()?;
        Ok(names.iter().map(|name| used.get(name).copied().unwrap_or_default()).collect())
    }
}

fn owner_use(row: &Row) -> Result<OwnerUse, StoreError> {
    let live_tasks = unsigned(row, "live_tasks")?;
    Ok(OwnerUse { live_tasks, committed: Money::from_billionths(get(row, "committed")?) })
}

fn moment(row: &Row, column: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}
