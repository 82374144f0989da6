//! Messages on their way. As with tasks, a message's `due_at` is the moment from which it may be claimed.

use std::time::Duration;

use async_trait::async_trait;
use domain::{TaskId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{SqliteStore, failed};
use crate::{Deliveries, Delivery, DeliveryClaim, DeliveryState, NewDelivery, StoreError, Tried};

/// Hosts are a JSON array: their number varies, and a statement is prepared once.
const DUE: &str = "SELECT * FROM deliveries
                   WHERE due_at <= ?1 AND host NOT IN (SELECT value FROM json_each(?2)) ORDER BY due_at LIMIT ?3";
const NEXT_DUE: &str = "SELECT due_at FROM deliveries WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1";

#[async_trait]
impl Deliveries for SqliteStore {
    async fn claim_deliveries(
        &self,
        holder: &str,
        lease: Duration,
        max: usize,
        busy: &[String],
    ) -> Result<Vec<DeliveryClaim>, StoreError> {
        let (holder, clock) = (holder.to_owned(), self.clock.clone());
        let busy = serde_json::Value::from(busy.to_vec()).to_string();
        let claim = move |c: &Connection| claim(c, &holder, &busy, (lease, max), clock.now());
        self.writer.write(claim).await
    }

    async fn settle_delivery(&self, id: &str, epoch: u64, tried: &Tried) -> Result<(), StoreError> {
        let (id, tried, clock) = (id.to_owned(), tried.clone(), self.clock.clone());
        self.writer.write(move |c| settle(c, (&id, epoch), &tried, clock.now())).await
    }

    async fn next_delivery_in(&self) -> Result<Option<Duration>, StoreError> {
        self.read(|c| next_in(c, self.clock.now()))
    }

    async fn deliveries(&self, state: DeliveryState, max: usize) -> Result<Vec<Delivery>, StoreError> {
        self.scan(move |c| list(c, state, max)).await
    }

    async fn replay_deliveries(&self, id: Option<&str>) -> Result<u64, StoreError> {
        let (id, clock) = (id.map(str::to_owned), self.clock.clone());
        self.writer.write(move |c| replay(c, id.as_deref(), clock.now())).await
    }
}

/// Stores the message of a task that ends, due `now`.
pub(super) fn store(
    connection: &Connection,
    task: &str,
    message: &NewDelivery,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO deliveries
                   (id, task_id, host, url, content_type, body, created_at, tries, state, due_at, lease_epoch)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 'waiting', ?7, 0)";
    let insert = || {
        connection.prepare_cached(sql)?.execute(params![
            message.id,
            task,
            message.host,
            message.url,
            message.content_type,
            message.body,
            now.as_millis(),
        ])
    };
    insert().map(|_| ()).map_err(failed("storing a delivery"))
}

/// Claims up to `max` messages that are due and go to none of the `busy` hosts, until `lease` has passed.
pub(super) fn claim(
    connection: &Connection,
    holder: &str,
    busy: &str,
    (lease, max): (Duration, usize),
    now: Timestamp,
) -> Result<Vec<DeliveryClaim>, StoreError> {
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let read = || {
        let mut statement = connection.prepare_cached(DUE)?;
        statement
            .query_map(params![now.as_millis(), busy, max], delivery)?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    let due = read().map_err(failed("reading due deliveries"))?;
    let sql = "UPDATE deliveries SET lease_holder = ?2, lease_epoch = lease_epoch + 1, due_at = ?3
               WHERE id = ?1 RETURNING lease_epoch";
    let take = |delivery: Delivery| {
        let values = params![delivery.message.id, holder, now.plus(lease).as_millis()];
        let epoch = connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
        Ok(DeliveryClaim { delivery, epoch })
    };
    due.into_iter().map(take).collect::<rusqlite::Result<_>>().map_err(failed("claiming a delivery"))
}

/// Notes what became of a try of a claimed message.
pub(super) fn settle(
    connection: &Connection,
    (id, epoch): (&str, u64),
    tried: &Tried,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (state, error, due_at) = match tried {
        Tried::Delivered => (DeliveryState::Delivered, None, None),
        Tried::Again { after, error } => {
            (DeliveryState::Waiting, Some(error), Some(now.plus(*after).as_millis()))
        }
        Tried::Dead { error } => (DeliveryState::Dead, Some(error), None),
    };
    let sql = "UPDATE deliveries SET tries = tries + 1, state = ?3, last_error = ?4, due_at = ?5,
                                     settled_at = CASE WHEN ?5 IS NULL THEN ?6 END, lease_holder = NULL
               WHERE id = ?1 AND lease_epoch = ?2 AND lease_holder IS NOT NULL";
    let update = || {
        let values = params![id, epoch, state.as_str(), error, due_at, now.as_millis()];
        connection.prepare_cached(sql)?.execute(values)
    };
    match update().map_err(failed("settling a delivery"))? {
        1 => Ok(()),
        _ => Err(StoreError::Stale),
    }
}

/// Until the next message may be claimed.
pub(super) fn next_in(connection: &Connection, now: Timestamp) -> Result<Option<Duration>, StoreError> {
    let read = || connection.prepare_cached(NEXT_DUE)?.query_row([], |row| row.get(0)).optional();
    let due_at = read().map_err(failed("reading the next due delivery"))?;
    Ok(due_at.map(|due_at| Timestamp::from_millis(due_at).since(now)))
}

/// The message that tells of the end of that task.
pub(super) fn of_task(connection: &Connection, id: &TaskId) -> Result<Option<Delivery>, StoreError> {
    let sql = "SELECT * FROM deliveries WHERE task_id = ?1";
    let read = || connection.prepare_cached(sql)?.query_row([id.as_str()], delivery).optional();
    read().map_err(failed("reading a delivery"))
}

/// The message of that id.
pub(super) fn by_id(connection: &Connection, id: &str) -> Result<Option<Delivery>, StoreError> {
    let sql = "SELECT * FROM deliveries WHERE id = ?1";
    let read = || connection.prepare_cached(sql)?.query_row([id], delivery).optional();
    read().map_err(failed("reading a delivery"))
}

/// Up to `max` messages in that state with smaller ids than `before`, by descending id.
pub(super) fn before(
    connection: &Connection,
    state: DeliveryState,
    before: Option<&str>,
    max: usize,
) -> Result<Vec<Delivery>, StoreError> {
    let sql =
        "SELECT * FROM deliveries WHERE state = ?1 AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3";
    let read = || {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        connection.prepare_cached(sql)?.query_map(params![state.as_str(), before, max], delivery)?.collect()
    };
    let listed: rusqlite::Result<Vec<Delivery>> = read();
    listed.map_err(failed("listing deliveries"))
}

/// Up to `max` messages in that state, latest first.
pub(super) fn list(
    connection: &Connection,
    state: DeliveryState,
    max: usize,
) -> Result<Vec<Delivery>, StoreError> {
    let sql =
        "SELECT * FROM deliveries WHERE state = ?1 ORDER BY COALESCE(settled_at, created_at) DESC LIMIT ?2";
    let read = || {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        connection.prepare_cached(sql)?.query_map(params![state.as_str(), max], delivery)?.collect()
    };
    let listed: rusqlite::Result<Vec<Delivery>> = read();
    listed.map_err(failed("listing deliveries"))
}

/// Makes dead messages due `now`, with all their tries before them: the one of that id, or all. How many there were.
pub(super) fn replay(connection: &Connection, id: Option<&str>, now: Timestamp) -> Result<u64, StoreError> {
    let sql = "UPDATE deliveries SET state = 'waiting', tries = 0, due_at = ?2, settled_at = NULL
               WHERE state = 'dead' AND (?1 IS NULL OR id = ?1)";
    let update = || connection.prepare_cached(sql)?.execute(params![id, now.as_millis()]);
    update().map(|count| count as u64).map_err(failed("replaying deliveries"))
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let state: String = row.get("state")?;
    Ok(Delivery {
        message: NewDelivery {
            id: row.get("id")?,
            host: row.get("host")?,
            url: row.get("url")?,
            content_type: row.get("content_type")?,
            body: row.get("body")?,
        },
        task: TaskId::new(row.get::<_, String>("task_id")?),
        created_at: Timestamp::from_millis(row.get("created_at")?),
        tries: row.get("tries")?,
        // The table lets no other text in.
        state: DeliveryState::parse(&state).unwrap_or(DeliveryState::Dead),
        last_error: row.get("last_error")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::query_plan;
    use super::*;

    #[test]
    fn settled_messages_cost_the_next_ones_nothing() {
        for sql in [DUE, NEXT_DUE] {
            let plan = query_plan::of(sql).remove(0);
            assert!(plan.contains("INDEX deliveries_due"), "{plan}");
        }
    }
}
