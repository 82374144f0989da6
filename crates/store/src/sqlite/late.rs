//! Tasks that have ended while an upstream may still be at work. As with tasks, a watch's `due_at` is the moment from
//! which it may be claimed.

use std::time::Duration;

use async_trait::async_trait;
use domain::{AccountName, Money, OwnerId, TaskId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows::{TaskRow, decode_json};
use super::{SqliteStore, failed, ledger};
use crate::late::Settled;
use crate::{LateClaim, LateResult, LateWord, LateWork, StoreError};

const DUE: &str = "SELECT id, owner, dialect, request, state_data, created_at, deadline_at, quote, version
     FROM late_watches JOIN tasks ON tasks.id = late_watches.task_id
     WHERE late_watches.due_at <= ?1 ORDER BY late_watches.due_at LIMIT ?2";
const NEXT_DUE: &str = "SELECT due_at FROM late_watches WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1";
const END_ALL: &str = "UPDATE late_watches SET due_at = ?1 WHERE due_at > ?1";
const RESULTS: &str = "SELECT late_watches.task_id, owner, model, outputs, settled_at,
            (SELECT account FROM attempts WHERE task_id = tasks.id ORDER BY number DESC LIMIT 1) AS account,
            (SELECT SUM(amount) FROM ledger
             WHERE task_id = tasks.id AND kind IN ('capture', 'late_adjustment')) AS amount
     FROM late_watches JOIN tasks ON tasks.id = late_watches.task_id
     WHERE outputs IS NOT NULL ORDER BY settled_at DESC LIMIT ?1";

#[async_trait]
impl LateWork for SqliteStore {
    async fn claim_late(&self, lease: Duration, max: usize) -> Result<Vec<LateClaim>, StoreError> {
        let clock = self.clock.clone();
        self.writer.write(move |c| claim(c, lease, max, clock.now())).await.map(decode)
    }

    async fn settle_late(&self, claim: &LateClaim, word: &LateWord) -> Result<(), StoreError> {
        let (id, epoch, clock) = (claim.task.id.clone(), claim.epoch, self.clock.clone());
        let settled = Settled::encode(&claim.task, word)?;
        self.writer.write(move |c| settle(c, (id.as_str(), epoch), &settled, clock.now())).await
    }

    async fn next_late_in(&self) -> Result<Option<Duration>, StoreError> {
        self.read(|c| next_in(c, self.clock.now()))
    }

    async fn late_results(&self, max: usize) -> Result<Vec<LateResult>, StoreError> {
        self.scan(move |c| results(c, max)).await
    }
}

/// A claimed watch, not yet decoded.
#[derive(Debug)]
pub(super) struct ClaimedRow {
    task: TaskRow,
    epoch: u64,
    is_last: bool,
}

/// Watches the task for as long as that, from `now`.
pub(super) fn begin(
    connection: &Connection,
    task: &str,
    watch: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO late_watches (task_id, until_at, due_at, lease_epoch) VALUES (?1, ?2, ?3, 0)";
    let values = params![task, now.plus(watch).as_millis(), now.as_millis()];
    let insert = || connection.prepare_cached(sql)?.execute(values);
    insert().map(|_| ()).map_err(failed("watching an ended task"))
}

/// Claims up to `max` watches that are due, oldest due first, until `lease` has passed.
pub(super) fn claim(
    connection: &Connection,
    lease: Duration,
    max: usize,
    now: Timestamp,
) -> Result<Vec<ClaimedRow>, StoreError> {
    let read = || {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let mut statement = connection.prepare_cached(DUE)?;
        statement
            .query_map(params![now.as_millis(), max], TaskRow::read)?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    let sql = "UPDATE late_watches SET lease_epoch = lease_epoch + 1, due_at = ?2
               WHERE task_id = ?1 RETURNING lease_epoch, until_at <= ?3";
    let take = |id: &str| {
        let values = params![id, now.plus(lease).as_millis(), now.as_millis()];
        connection.prepare_cached(sql)?.query_row(values, |row| Ok((row.get(0)?, row.get(1)?)))
    };
    let claim = |row: TaskRow| {
        let (epoch, is_last) = take(row.id()).map_err(failed("claiming an ended task"))?;
        Ok(ClaimedRow { task: row.with_attempts(connection)?, epoch, is_last })
    };
    read().map_err(failed("reading ended tasks"))?.into_iter().map(claim).collect()
}

/// Decodes claimed watches. One that cannot be read is left out and logged, and comes again when its lease ends.
pub(super) fn decode(rows: Vec<ClaimedRow>) -> Vec<LateClaim> {
    let decode = |row: ClaimedRow| match row.task.decode() {
        Ok(task) => Some(LateClaim { task, epoch: row.epoch, is_last: row.is_last }),
        Err(error) => {
            tracing::error!(%error, "an ended task is left out");
            None
        }
    };
    rows.into_iter().filter_map(decode).collect()
}

/// Notes what a look has shown, with what that does to the ledger.
pub(super) fn settle(
    connection: &Connection,
    (id, epoch): (&str, u64),
    settled: &Settled,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE late_watches
               SET due_at = CASE WHEN until_at > ?4 THEN MIN(?3, until_at) ELSE ?3 END, outputs = ?5,
                   settled_at = CASE WHEN ?3 IS NULL THEN ?4 END
               WHERE task_id = ?1 AND lease_epoch = ?2 AND due_at IS NOT NULL";
    let due_at = settled.after.map(|after| now.plus(after).as_millis());
    let update = || {
        let values = params![id, epoch, due_at, now.as_millis(), settled.outputs];
        connection.prepare_cached(sql)?.execute(values)
    };
    if update().map_err(failed("settling an ended task"))? == 0 {
        return Err(StoreError::Stale);
    }
    match &settled.money {
        Some(money) => ledger::settle_late(connection, money, now),
        None => Ok(()),
    }
}

/// Until the next watch may be claimed.
pub(super) fn next_in(connection: &Connection, now: Timestamp) -> Result<Option<Duration>, StoreError> {
    let read = || connection.prepare_cached(NEXT_DUE)?.query_row([], |row| row.get(0)).optional();
    let due_at = read().map_err(failed("reading the next ended task"))?;
    Ok(due_at.map(|due_at| Timestamp::from_millis(due_at).since(now)))
}

/// Makes all watches due `now`. Only for who is sure that every holder is dead.
pub(super) fn end_all(connection: &Connection, now: Timestamp) -> Result<usize, StoreError> {
    connection.execute(END_ALL, [now.as_millis()]).map_err(failed("ending claims of ended tasks"))
}

/// Up to `max` results that came late, latest first.
pub(super) fn results(connection: &Connection, max: usize) -> Result<Vec<LateResult>, StoreError> {
    let read = || {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        connection.prepare_cached(RESULTS)?.query_map([max], result)?.collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = read().map_err(failed("listing what came late"))?;
    let decode = |(mut result, outputs): (LateResult, String)| {
        result.outputs = decode_json(result.task.as_str(), "late results", &outputs)?;
        Ok(result)
    };
    rows.into_iter().map(decode).collect()
}

fn result(row: &Row<'_>) -> rusqlite::Result<(LateResult, String)> {
    let result = LateResult {
        task: TaskId::new(row.get::<_, String>("task_id")?),
        owner: OwnerId::new(row.get::<_, String>("owner")?),
        model: row.get("model")?,
        account: AccountName::new(row.get::<_, Option<String>>("account")?.unwrap_or_default()),
        amount: Money::from_billionths(row.get::<_, Option<i64>>("amount")?.unwrap_or_default()),
        outputs: Vec::new(),
        at: Timestamp::from_millis(row.get("settled_at")?),
    };
    Ok((result, row.get("outputs")?))
}

#[cfg(test)]
mod tests {
    use super::super::query_plan;
    use super::*;

    #[test]
    fn watches_that_are_over_cost_the_others_nothing() {
        let indexes = [
            (DUE, "late_watches_due"),
            (NEXT_DUE, "late_watches_due"),
            (END_ALL, "late_watches_due"),
            (RESULTS, "late_watches_came"),
        ];
        for (sql, index) in indexes {
            let plan = query_plan::of(sql).remove(0);
            assert!(plan.contains(index), "{plan}");
        }
    }
}
