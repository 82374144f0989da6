//! Tasks that have ended while an upstream may still be at work. As with tasks, a watch's `due_at` is the moment from
//! which it may be claimed.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use domain::{AccountName, Money, OwnerId, TaskId, Timestamp};
use tokio_postgres::Row;

use super::durations::{millis, wait};
use super::failure::{Failure, failed};
use super::retry::Tries;
use super::rows::{attempt_columns, get, joined, limit, signed, task_columns, unsigned};
use super::session::Session;
use super::{PostgresStore, ledger};
use crate::late::Settled;
use crate::rows::{TaskRow, decode_json};
use crate::{LateClaim, LateResult, LateWord, LateWork, StoreError};

const BEGIN: &str = "INSERT INTO late_watches (task_id, until_at, due_at, lease_epoch)
    VALUES ($1, {now} + $2, {now}, 0)";
/// By a list of ids, so that however many are thought to be due, they are looked up by their key.
const CLAIM: &str = "UPDATE late_watches SET lease_epoch = lease_epoch + 1, due_at = {now} + $1
    FROM unnest(ARRAY(SELECT task_id FROM late_watches WHERE due_at IS NOT NULL AND due_at <= {now}
                      ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)) WITH ORDINALITY AS due (id, place)
    WHERE late_watches.task_id = due.id
    RETURNING due.place, task_id, lease_epoch, until_at <= {now} AS is_last";
const TASKS: &str = concat!(
    "SELECT ",
    task_columns!(),
    ", ",
    attempt_columns!(),
    " FROM tasks LEFT JOIN attempts ON attempts.task_id = tasks.id
      WHERE tasks.id = ANY($1) ORDER BY tasks.id, attempts.number"
);
const SETTLE: &str = "UPDATE late_watches
    SET due_at = CASE WHEN $3::BIGINT IS NULL THEN NULL
                      WHEN until_at > {now} THEN LEAST({now} + $3, until_at)
                      ELSE {now} + $3 END,
        settled_at = CASE WHEN $3 IS NULL THEN {now} END, outputs = $4
    WHERE task_id = $1 AND lease_epoch = $2 AND due_at IS NOT NULL";
const NEXT: &str = "SELECT GREATEST(due_at - {now}, 0) AS millis FROM late_watches
    WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1";
const RESULTS: &str = "SELECT late_watches.task_id, owner, model, outputs, settled_at,
        (SELECT account FROM attempts WHERE task_id = tasks.id ORDER BY number DESC LIMIT 1) AS account,
        (SELECT SUM(amount)::BIGINT FROM ledger
         WHERE task_id = tasks.id AND kind IN ('capture', 'late_adjustment')) AS amount
    FROM late_watches JOIN tasks ON tasks.id = late_watches.task_id
    WHERE outputs IS NOT NULL ORDER BY settled_at DESC LIMIT $1";

#[async_trait]
impl LateWork for PostgresStore {
    async fn claim_late(&self, lease: Duration, max: usize) -> Result<Vec<LateClaim>, StoreError> {
        let session = self.pool.session().await?;
        let taken = session.query(CLAIM, [&millis(lease), &limit(max)]).await;
        let taken = taken.map_err(failed("claiming ended tasks"))?;
        let mut taken = taken.iter().map(Taken::read).collect::<Result<Vec<_>, _>>()?;
        taken.sort_unstable_by_key(|taken| taken.place);
        let ids: Vec<&str> = taken.iter().map(|taken| taken.task.as_str()).collect();
        let rows = session.query(TASKS, [&ids]).await.map_err(failed("reading ended tasks"))?;
        let tasks = joined(&rows)?.into_iter().map(|row| (row.id().to_owned(), row));
        let mut tasks: HashMap<String, TaskRow> = tasks.collect();
        Ok(taken.iter().filter_map(|taken| taken.decode(tasks.remove(&taken.task)?)).collect())
    }

    async fn settle_late(&self, claim: &LateClaim, word: &LateWord) -> Result<(), StoreError> {
        let settled = Settled::encode(&claim.task, word)?;
        let mut tries = Tries::default();
        loop {
            let session = self.pool.session().await?;
            let result = settle(&session, (claim.task.id.as_str(), claim.epoch), &settled).await;
            match session.end(result).await {
                Err(error) if tries.again_after(&error).await => {}
                result => return result,
            }
        }
    }

    async fn next_late_in(&self) -> Result<Option<Duration>, StoreError> {
        let session = self.pool.session().await?;
        let row = session.first(NEXT, []).await.map_err(failed("reading the next ended task"))?;
        row.as_ref().map(wait).transpose()
    }

    async fn late_results(&self, max: usize) -> Result<Vec<LateResult>, StoreError> {
        let session = self.pool.session().await?;
        let rows = session.query(RESULTS, [&limit(max)]).await;
        rows.map_err(failed("listing what came late"))?.iter().map(result).collect()
    }
}

/// Watches the task for as long as that, from now on.
pub(super) async fn begin(session: &Session, task: &str, watch: Duration) -> Result<(), Failure> {
    session.execute(BEGIN, [&task, &millis(watch)]).await.map(drop)
}

/// A claimed watch.
struct Taken {
    task: String,
    place: i64,
    epoch: u64,
    is_last: bool,
}

impl Taken {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            task: get(row, "task_id")?,
            place: get(row, "place")?,
            epoch: unsigned(row, "lease_epoch")?,
            is_last: get(row, "is_last")?,
        })
    }

    /// One that cannot be read is left out and logged, and comes again when its lease ends.
    fn decode(&self, row: TaskRow) -> Option<LateClaim> {
        match row.decode() {
            Ok(task) => Some(LateClaim { task, epoch: self.epoch, is_last: self.is_last }),
            Err(error) => {
                tracing::error!(%error, "an ended task is left out");
                None
            }
        }
    }
}

/// Notes what a look has shown, with what that does to the ledger. The row of the watch is what it locks first, so that
/// two who settle money of one task wait for each other.
async fn settle(session: &Session, (id, epoch): (&str, u64), settled: &Settled) -> Result<(), StoreError> {
    session.begin().await.map_err(failed("beginning to settle an ended task"))?;
    let delay = settled.after.map(millis);
    let changed = session.execute(SETTLE, [&id, &signed(epoch), &delay, &settled.outputs]).await;
    if changed.map_err(failed("settling an ended task"))? == 0 {
        return Err(StoreError::Stale);
    }
    match &settled.money {
        Some(money) => ledger::settle_late(session, money.clone()).await,
        None => Ok(()),
    }
}

fn result(row: &Row) -> Result<LateResult, StoreError> {
    let task: &str = get(row, "task_id")?;
    Ok(LateResult {
        task: TaskId::new(task),
        owner: OwnerId::new(get::<String>(row, "owner")?),
        model: get(row, "model")?,
        account: AccountName::new(get::<Option<String>>(row, "account")?.unwrap_or_default()),
        amount: Money::from_billionths(get::<Option<i64>>(row, "amount")?.unwrap_or_default()),
        outputs: decode_json(task, "late results", get(row, "outputs")?)?,
        at: Timestamp::from_millis(get(row, "settled_at")?),
    })
}
