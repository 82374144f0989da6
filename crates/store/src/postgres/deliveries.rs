//! Messages on their way. As with tasks, a message's `due_at` is the moment from which it may be claimed.

use std::time::Duration;

use async_trait::async_trait;
use domain::{TaskId, Timestamp};
use tokio_postgres::Row;

use super::PostgresStore;
use super::durations::{millis, wait};
use super::failure::{Failure, failed};
use super::rows::{get, limit, signed, unsigned};
use super::session::Session;
use super::text::storable;
use crate::{Deliveries, Delivery, DeliveryClaim, DeliveryState, NewDelivery, StoreError, Tried};

/// The columns that [`delivery`] reads.
macro_rules! delivery_columns {
    () => {
        "deliveries.id, deliveries.task_id, deliveries.host, deliveries.url, deliveries.content_type, \
         deliveries.body, deliveries.created_at, deliveries.tries, deliveries.state, deliveries.last_error"
    };
}
pub(super) use delivery_columns;

const STORE: &str = "INSERT INTO deliveries
        (id, task_id, host, url, content_type, body, created_at, tries, state, due_at, lease_epoch)
    VALUES ($1, $2, $3, $4, $5, $6, {now}, 0, 'waiting', {now}, 0)";
/// By a list of ids, so that however many are thought to be due, they are looked up by their key.
const CLAIM: &str = concat!(
    "UPDATE deliveries SET lease_holder = $1, lease_epoch = lease_epoch + 1, due_at = {now} + $2
     FROM unnest(ARRAY(SELECT id FROM deliveries
                       WHERE due_at IS NOT NULL AND due_at <= {now} AND host <> ALL($3)
                       ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED)) WITH ORDINALITY AS due (id, place)
     WHERE deliveries.id = due.id
     RETURNING due.place, deliveries.lease_epoch, ",
    delivery_columns!()
);
const SETTLE: &str = "UPDATE deliveries
    SET tries = tries + 1, state = $3, last_error = $4, due_at = {now} + $5::BIGINT,
        settled_at = CASE WHEN $5::BIGINT IS NULL THEN {now} END, lease_holder = NULL
    WHERE id = $1 AND lease_epoch = $2 AND lease_holder IS NOT NULL";
const NEXT: &str = "SELECT GREATEST(due_at - {now}, 0) AS millis FROM deliveries
    WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1";
const LIST: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM deliveries WHERE state = $1 ORDER BY COALESCE(settled_at, created_at) DESC LIMIT $2"
);
const REPLAY: &str = "UPDATE deliveries SET state = 'waiting', tries = 0, due_at = {now}, settled_at = NULL
    WHERE state = 'dead' AND ($1::TEXT IS NULL OR id = $1)";

#[async_trait]
impl Deliveries for PostgresStore {
    async fn claim_deliveries(
        &self,
        holder: &str,
        lease: Duration,
        max: usize,
        busy: &[String],
    ) -> Result<Vec<DeliveryClaim>, StoreError> {
        let session = self.pool.session().await?;
        let rows = session.query(CLAIM, [&holder, &millis(lease), &busy, &limit(max)]).await;
        let claim = |row: &Row| {
            let claim = DeliveryClaim { delivery: delivery(row)?, epoch: unsigned(row, "lease_epoch")? };
            Ok((get::<i64>(row, "place")?, claim))
        };
        let rows = rows.map_err(failed("claiming deliveries"))?;
        let mut claims = rows.iter().map(claim).collect::<Result<Vec<_>, StoreError>>()?;
        claims.sort_unstable_by_key(|(place, _)| *place);
        Ok(claims.into_iter().map(|(_, claim)| claim).collect())
    }

    async fn settle_delivery(&self, id: &str, epoch: u64, tried: &Tried) -> Result<(), StoreError> {
        let (state, error, delay) = match tried {
            Tried::Delivered => (DeliveryState::Delivered, None, None),
            Tried::Again { after, error } => (DeliveryState::Waiting, Some(error), Some(millis(*after))),
            Tried::Dead { error } => (DeliveryState::Dead, Some(error), None),
        };
        let error = error.map(|error| storable(error));
        let session = self.pool.session().await?;
        let settled = session.execute(SETTLE, [&id, &signed(epoch), &state.as_str(), &error, &delay]).await;
        match settled.map_err(failed("settling a delivery"))? {
            1 => Ok(()),
            _ => Err(StoreError::Stale),
        }
    }

    async fn next_delivery_in(&self) -> Result<Option<Duration>, StoreError> {
        let session = self.pool.session().await?;
        let row = session.first(NEXT, []).await.map_err(failed("reading the next due delivery"))?;
        row.as_ref().map(wait).transpose()
    }

    async fn deliveries(&self, state: DeliveryState, max: usize) -> Result<Vec<Delivery>, StoreError> {
        let session = self.pool.session().await?;
        let rows = session.query(LIST, [&state.as_str(), &limit(max)]).await;
        rows.map_err(failed("listing deliveries"))?.iter().map(delivery).collect()
    }

    async fn replay_deliveries(&self, id: Option<&str>) -> Result<u64, StoreError> {
        let session = self.pool.session().await?;
        session.execute(REPLAY, [&id]).await.map_err(failed("replaying deliveries"))
    }
}

/// Stores the message of a task that ends, due at once.
pub(super) async fn store(session: &Session, task: &str, message: &NewDelivery) -> Result<(), Failure> {
    let NewDelivery { id, host, url, content_type, body } = message;
    session.execute(STORE, [id, &task, host, &storable(url), content_type, body]).await.map(drop)
}

/// Reads a row that has [`delivery_columns!`].
pub(super) fn delivery(row: &Row) -> Result<Delivery, StoreError> {
    let state: &str = get(row, "state")?;
    Ok(Delivery {
        message: NewDelivery {
            id: get(row, "id")?,
            host: get(row, "host")?,
            url: get(row, "url")?,
            content_type: get(row, "content_type")?,
            body: get(row, "body")?,
        },
        task: TaskId::new(get::<String>(row, "task_id")?),
        created_at: Timestamp::from_millis(get(row, "created_at")?),
        tries: unsigned(row, "tries")?,
        state: DeliveryState::parse(state)
            .ok_or_else(|| StoreError::Corrupt(format!("state of a message: {state}")))?,
        last_error: get(row, "last_error")?,
    })
}
